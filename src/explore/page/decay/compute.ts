import { foldIn, key, normal } from '../../../runtime/random';
import {
  type ConditionChain,
  chainMoments,
  coefficientsFromRoots,
  simulateChain,
  spectralRadius,
} from '../../../theory/autoregression';
import { tailRate } from '../../../theory/decay';
import { decayProblem, scoreNorms, scoreShifts, theoremEnvelope } from '../../../theory/exponential-decay';
import { type InfluenceDecay, influenceDecay } from '../../../theory/influence';
import type { DecaySettings } from './settings';

/** Influence of c_0 on c_i, in a chain and in a condition that is held. */
export interface InfluencePair {
  chain: InfluenceDecay;
  held: InfluenceDecay;
}

/** A chain with a stationary law, and Theorem 2's bound on it. */
export interface StableDecay {
  kind: 'stable';
  radius: number;
  /** Gradient norm at each step, exact. */
  norms: Float64Array;
  /** M beta^i + m, known before the chain is run. */
  bound: Float64Array;
  amplitude: number;
  floor: number;
  /** The part of the gradient that still depends on the start, exact; empty when the chain starts at rest. */
  shifts: Float64Array;
  /** Decay per step of `shifts` in the second half; undefined when there is nothing to decay. */
  shiftRate?: number;
  /** Undefined until estimated. */
  influence?: InfluencePair;
}

/** A chain without a stationary law: its mean does not converge. */
export interface UnstableDecay {
  kind: 'unstable';
  radius: number;
  /** ||E c_i|| at each step, exact. */
  means: Float64Array;
  /** Standard deviation of one coordinate at each step, exact. */
  deviations: Float64Array;
}

export type DecayResult = StableDecay | UnstableDecay;

const SAMPLES = 120;
const INFLUENCE_STEPS = 14;

/** The exact curves first, then with the estimate of influence. */
export function* decayParts(settings: DecaySettings): Generator<DecayResult> {
  const { roots, chain, token } = problemOf(settings);
  const radius = spectralRadius(chain.coefficients as number[]);
  if (radius >= 1) {
    const { means, variances } = chainMoments(chain, settings.steps);
    const norms = Float64Array.from(means, (mean) => Math.hypot(...mean));
    yield { kind: 'unstable', radius, means: norms, deviations: variances.map(Math.sqrt) };
    return;
  }
  const norms = scoreNorms(chain, token, settings.steps);
  const { amplitude, beta, floor } = theoremEnvelope(roots, chain, token);
  const bound = norms.map((_, i) => amplitude * beta ** i + floor);
  const shifts = settings.start > 0 ? scoreShifts(chain, token, settings.steps) : new Float64Array(0);
  const shiftRate = settings.start > 0 ? tailRate(shifts, Math.floor(settings.steps / 2)) : undefined;
  const exact: StableDecay = { kind: 'stable', radius, norms, bound, amplitude, floor, shifts, shiftRate };
  yield exact;
  yield { ...exact, influence: influencePair(chain, radius, settings.seed) };
}

/** An AR(2) chain and a Gaussian token, with the observation matrix and the direction of the start drawn from the seed. */
export function problemOf({ root, second, start, noise, signal, seed }: DecaySettings) {
  const roots = [root, root * second];
  const drawn = decayProblem(seed);
  const scale = start / Math.hypot(...drawn.chain.start);
  const chain: ConditionChain = {
    coefficients: coefficientsFromRoots(roots),
    noise,
    start: drawn.chain.start.map((value) => scale * value),
  };
  return { roots, chain, token: { ...drawn.token, alphaBar: signal } };
}

/**
 * The control of Theorem 2: one estimator, on simulated paths of the chain once it is stationary, and on a condition that is drawn
 * once and held, as in conditional diffusion, seen through a little noise. Only the first may decay.
 */
function influencePair(chain: ConditionChain, radius: number, seed: number): InfluencePair {
  const width = chain.start.length;
  const source = foldIn(key(seed), 'explore decay');
  const shape = { samples: SAMPLES, steps: INFLUENCE_STEPS, width };
  const held = normal(foldIn(source, 'held'), SAMPLES * width);
  const jitter = normal(foldIn(source, 'jitter'), SAMPLES * INFLUENCE_STEPS * width);
  const still = jitter.map(
    (z, at) => held[Math.floor(at / (INFLUENCE_STEPS * width)) * width + (at % width)] + 0.3 * z,
  );
  // Until the start's share is below a thousandth.
  const burn = Math.min(300, Math.ceil(Math.log(1e-3) / Math.log(radius)));
  const all = simulateChain(chain, SAMPLES, burn + INFLUENCE_STEPS, foldIn(source, 'chain'));
  const moving = new Float64Array(SAMPLES * INFLUENCE_STEPS * width);
  for (let sample = 0; sample < SAMPLES; sample++) {
    const from = (sample * (burn + INFLUENCE_STEPS) + burn) * width;
    moving.set(all.subarray(from, from + INFLUENCE_STEPS * width), sample * INFLUENCE_STEPS * width);
  }
  return {
    chain: influenceDecay({ data: moving, ...shape }, { resamples: 60 }),
    held: influenceDecay({ data: still, ...shape }, { resamples: 60 }),
  };
}
