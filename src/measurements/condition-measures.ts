import { bootstrap, type Interval } from '../metrics/confidence';
import { foldIn, type Key, permutation } from '../runtime/random';
import { type DecayFit, fitDecay } from '../theory/decay';
import { type AssumptionTest, gaussianityTests, markovTest } from '../theory/diagnostics';
import { type Inconsistency, measureInconsistency } from '../theory/inconsistency';
import { type InfluenceDecay, influenceDecay } from '../theory/influence';
import { principalTrajectories, type Trajectories, validateTrajectories } from '../theory/trajectories';

/**
 * What a model (trained or synthetic) shows of its conditions; every measurement is a pure function of these arrays, so that MAR,
 * causal AR, a static condition and a chain with a known answer stand side by side.
 */
export interface ConditionSource {
  name: string;
  /** `[samples, steps, width]`; samples are independent images. */
  conditions: Trajectories;
  /** The token that each condition is to predict, `[samples, steps, tokenWidth]`. */
  tokens?: Trajectories;
  /** The same samples with the first token (or what stands for it) exchanged and everything else kept. */
  exchanged?: Trajectories;
  /** ||grad log p_t(x_t | c_i)|| at noised tokens x_t that are the same at every step, `[samples, steps]`. */
  scoreNorms?: Float64Array;
  /** Class of each sample; what a class has in common is then taken out before influence is followed. */
  classes?: ArrayLike<number>;
}

/** Options of `measureConditions`. */
export interface MeasureOptions {
  source: Key;
  /** Principal directions that the tests of assumptions look at; default 6. */
  components?: number;
  /** Step whose influence is followed; default 1 (at step 0 nothing but the class is known). */
  origin?: number;
  resamples?: number;
}

/** A decay over the steps, with the fitted factor and its 95 % interval over samples. */
export interface MeasuredDecay {
  values: Float64Array;
  errors: Float64Array;
  fit: DecayFit;
  beta: Interval & { error: number };
}

/** Everything measured on one source; what its data do not allow is absent. */
export interface ConditionReport {
  name: string;
  samples: number;
  steps: number;
  /** Share of the conditions' variance in the principal directions used below. */
  share: number;
  influence?: InfluenceDecay;
  exchange?: MeasuredDecay;
  score?: MeasuredDecay;
  inconsistency?: Inconsistency[];
  gaussianity: AssumptionTest[];
  markov: AssumptionTest[];
}

/** Measures decay, redundancy and the assumptions on the conditions of one source. */
export function measureConditions(given: ConditionSource, options: MeasureOptions): ConditionReport {
  const { source, components = 6, origin = 1, resamples = 100 } = options;
  validateTrajectories(`Conditions of ${given.name}`, given.conditions, 16);
  const within = given.classes ? centredWithin(given.conditions, given.classes) : given.conditions;
  const { trajectories: reduced, share } = principalTrajectories(within, components);
  const { samples, steps } = given.conditions;
  // More directions than a token has channels, or every direction predicts; as many as the samples can bear.
  const wide = principalTrajectories(within, Math.floor(samples / 6)).trajectories;
  const varying = Array.from({ length: steps }, (_, step) => step).filter((step) => spread(reduced, step) > 1e-10);
  const last = steps - 1;
  // A condition that is the same at every step has no law of its own at each.
  const moves = varying.includes(last) && spread(difference(reduced, last), 0) > 1e-10;
  const enough = steps - origin >= 4 && varying.includes(origin);
  return {
    name: given.name,
    samples,
    steps,
    share,
    influence: enough ? influenceDecay(within, { origin, source: foldIn(source, 'influence'), resamples }) : undefined,
    exchange:
      given.exchanged && exchangeDecay(given.conditions, given.exchanged, foldIn(source, 'exchange'), resamples),
    score: given.scoreNorms && scoreDecay(given.scoreNorms, samples, foldIn(source, 'score'), resamples),
    inconsistency: given.tokens && inconsistencyFrom(varying[0], wide, given.tokens),
    gaussianity: moves ? gaussianityTests(reduced, last) : [],
    markov: moves && last - 2 >= varying[0] ? [markovTest(reduced, last)] : [],
  };
}

/**
 * How much exchanging the first token still changes the condition `i` steps later: root mean square change relative to the
 * root mean square difference of two unrelated samples. 1: all of the condition is due to that token; 0: nothing.
 */
export function exchangeDecay(
  conditions: Trajectories,
  exchanged: Trajectories,
  source: Key,
  resamples = 100,
): MeasuredDecay {
  validateTrajectories('Conditions with the first token exchanged', exchanged, 16);
  const { samples, steps, width } = conditions;
  const partner = permutation(foldIn(source, 'pairs'), samples);
  const change = new Float64Array(samples * steps);
  const unrelated = new Float64Array(samples * steps);
  for (let s = 0; s < samples; s++) {
    const other = partner[s] === s ? (s + 1) % samples : partner[s];
    for (let step = 0; step < steps; step++) {
      const at = (s * steps + step) * width;
      const far = (other * steps + step) * width;
      for (let k = 0; k < width; k++) {
        change[s * steps + step] += (conditions.data[at + k] - exchanged.data[at + k]) ** 2;
        unrelated[s * steps + step] += (conditions.data[at + k] - conditions.data[far + k]) ** 2;
      }
    }
  }
  // The condition that is computed before any token is known cannot change: the decay starts at the first that does.
  const start =
    Array.from({ length: steps }, (_, step) => step).find((step) => columnSum(change, steps, step) > 0) ?? 0;
  const ratio = (units: ArrayLike<number>) =>
    Float64Array.from({ length: steps - start }, (_, i) =>
      Math.sqrt(columnSum(change, steps, start + i, units) / columnSum(unrelated, steps, start + i, units)),
    );
  return decayOver(samples, ratio, foldIn(source, 'bootstrap'), resamples);
}

/** Mean conditional gradient norm per step, with Theorem 2's M beta^i + m fitted to it. */
export function scoreDecay(norms: Float64Array, samples: number, source: Key, resamples = 100): MeasuredDecay {
  const steps = norms.length / samples;
  const mean = (units: ArrayLike<number>) =>
    Float64Array.from({ length: steps }, (_, step) => columnSum(norms, steps, step, units) / units.length);
  return decayOver(samples, mean, source, resamples);
}

function decayOver(
  samples: number,
  statistic: (units: ArrayLike<number>) => Float64Array,
  source: Key,
  resamples: number,
): MeasuredDecay {
  const replicas: Float64Array[] = [];
  const beta = bootstrap(
    source,
    samples,
    (units) => {
      const values = statistic(units);
      replicas.push(values);
      return fitDecay(values).beta;
    },
    { resamples },
  );
  const [values, ...rest] = replicas;
  const errors = values.map((_, i) => {
    const mean = rest.reduce((sum, replica) => sum + replica[i], 0) / rest.length;
    return Math.sqrt(rest.reduce((sum, replica) => sum + (replica[i] - mean) ** 2, 0) / (rest.length - 1));
  });
  return { values, errors, fit: fitDecay(values), beta };
}

/** Conditions minus the mean of their class at each step. */
export function centredWithin(trajectories: Trajectories, classes: ArrayLike<number>): Trajectories {
  const { samples, steps, width } = trajectories;
  const size = steps * width;
  const data = Float64Array.from(trajectories.data);
  for (const label of new Set(Array.from(classes))) {
    const members = Array.from({ length: samples }, (_, s) => s).filter((s) => classes[s] === label);
    for (let at = 0; at < size; at++) {
      const mean = members.reduce((sum, s) => sum + trajectories.data[s * size + at], 0) / members.length;
      for (const s of members) data[s * size + at] -= mean;
    }
  }
  return { data, samples, steps, width };
}

/** Lemma 6 over the steps from the first at which conditions differ between images, numbered as in the model. */
function inconsistencyFrom(first: number | undefined, conditions: Trajectories, tokens: Trajectories) {
  if (first === undefined || conditions.steps - first < 2) return undefined;
  const measured = measureInconsistency(stepsFrom(conditions, first), stepsFrom(tokens, first));
  return measured.map((at) => ({ ...at, step: at.step + first }));
}

function stepsFrom({ data, samples, steps, width }: Trajectories, first: number): Trajectories {
  const kept = (steps - first) * width;
  const out = new Float64Array(samples * kept);
  for (let s = 0; s < samples; s++)
    out.set(data.subarray((s + 1) * steps * width - kept, (s + 1) * steps * width), s * kept);
  return { data: out, samples, steps: steps - first, width };
}

/** c_step - c_{step-1} as trajectories of one step. */
function difference({ data, samples, steps, width }: Trajectories, step: number): Trajectories {
  const out = Float64Array.from({ length: samples * width }, (_, at) => {
    const now = (Math.floor(at / width) * steps + step) * width + (at % width);
    return data[now] - data[now - width];
  });
  return { data: out, samples, steps: 1, width };
}

function columnSum(values: Float64Array, steps: number, step: number, units?: ArrayLike<number>): number {
  const count = units ? units.length : values.length / steps;
  let sum = 0;
  for (let i = 0; i < count; i++) sum += values[(units ? units[i] : i) * steps + step];
  return sum;
}

function spread({ data, samples, steps, width }: Trajectories, step: number): number {
  let energy = 0;
  for (let s = 0; s < samples; s++) {
    for (let k = 0; k < width; k++) energy += data[(s * steps + step) * width + k] ** 2;
  }
  return energy / samples;
}
