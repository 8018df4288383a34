import { bootstrap, type Interval } from '../metrics/confidence';
import type { ImageModel } from '../models/image-model';
import { loadTrainedModels } from '../recipes/trained-models';
import { groupRows } from '../refinement/grouping';
import type { IdealConditions } from '../refinement/ideal-conditions';
import { IdealLaw } from '../refinement/law';
import { learnIdealLaw } from '../refinement/learn-ideal-law';
import { optimalTransportRefiner } from '../refinement/optimal-transport';
import { createGroup, type Group } from '../refinement/refiner';
import { takeRows } from '../refinement/rows';
import { InvalidInputError } from '../runtime/errors';
import { foldIn, type Key, key } from '../runtime/random';
import { particleFlow, proximalRate } from '../theory/gradient-flow';
import { CHECKPOINTS } from '../training/trained-model';
import { exactTransport } from '../transport';

/** Generated conditions with as many samples of their ideal law. */
export interface MatchedGroup extends Group {
  group: string;
  class: number;
}

/** What the refinement does per step to W2 between generated conditions and their targets. */
export interface Contraction {
  model: string;
  /** Sinkhorn's epsilon over the mean cost; 0 is exact transport. */
  epsilon: number;
  eta: number;
  groups: number;
  /** Independent units: groups of one class share their images. */
  classes: number;
  /** Points a side of the smallest group. */
  points: number;
  /** `[steps + 1]` root mean square over groups of W2 to the targets, over its value before the first step. */
  distances: Float64Array;
  /** `[steps]` factor of that distance in one step, with 95 % intervals over classes. */
  ratios: Interval[];
  /** Share of the Sinkhorn solves that reached their tolerance. */
  converged: number;
}

export interface ContractionOptions {
  /** Step size eta > 0; default 0.25. */
  eta?: number;
  /** Epsilon over the mean cost; default 0.05, that of the refinement. 0: exact transport, the control without entropy. */
  epsilon?: number;
  /** K; default 8. */
  steps?: number;
  /** Default 200. */
  resamples?: number;
  source: Key;
}

/** How far a factor may lie above rho and still count as rho: conditions are float32 and Sinkhorn stops at a tolerance. */
const MARGIN = 0.01;

/**
 * Refines each group K times with a finite eta and the plain projection (the paper's step; nothing restored), and measures W2 to
 * its targets after each step by exact transport.
 * @throws InvalidInputError when there is no group, or one has not as many targets as conditions.
 */
export function measureContraction(
  model: string,
  groups: readonly MatchedGroup[],
  { eta = 0.25, epsilon = 0.05, steps = 8, resamples = 200, source }: ContractionOptions,
): Contraction {
  const unequal = groups.find(({ conditions, law }) => conditions.length !== law.targets.length);
  if (groups.length === 0 || unequal) {
    throw new InvalidInputError('Contraction of a refinement', {
      given: unequal
        ? `${unequal.conditions.length / unequal.law.width} conditions and ${unequal.law.count} targets`
        : 'no group',
      expected: 'groups with as many targets as conditions',
      remedy: 'Take them from `generatedGroups`.',
    });
  }
  // Spread limits off: where the flow ends is the question. More Sinkhorn iterations than in sampling, for small epsilon.
  const refine = optimalTransportRefiner({
    eta,
    epsilon: epsilon || undefined,
    projection: 'plain',
    minimumSpread: 0,
    maximumSpread: Number.MAX_VALUE,
    sinkhornIterations: 5000,
  });
  let solved = 0;
  const squares = groups.map((group) => {
    if (epsilon === 0) return exactPath(group, eta, steps);
    const path = new Float64Array(steps + 1);
    const { law } = group;
    let { conditions } = group;
    for (let step = 0; step <= steps; step++) {
      path[step] = exactTransport({ x: conditions, y: law.targets, dimension: law.width }).cost;
      if (step === steps) break;
      const refined = refine({ ...group, conditions });
      if (refined.iterations[0]?.solver === 'converged') solved++;
      conditions = refined.conditions;
    }
    return path;
  });
  const labels = [...new Set(groups.map((group) => group.class))];
  const members = labels.map((label) => squares.filter((_, g) => groups[g].class === label));
  const total = (classes: ArrayLike<number>, step: number) =>
    Array.from(classes).reduce((sum, at) => sum + members[at].reduce((part, path) => part + path[step], 0), 0);
  const all = Array.from(labels.keys());
  return {
    model,
    epsilon,
    eta,
    groups: groups.length,
    classes: labels.length,
    points: Math.min(...groups.map(({ law }) => law.count)),
    distances: Float64Array.from({ length: steps + 1 }, (_, step) => Math.sqrt(total(all, step) / total(all, 0))),
    ratios: Array.from({ length: steps }, (_, step) =>
      bootstrap(
        foldIn(source, step),
        labels.length,
        (classes) => Math.sqrt(total(classes, step + 1) / total(classes, step)),
        { resamples },
      ),
    ),
    converged: epsilon === 0 ? 1 : solved / (groups.length * steps),
  };
}

/** W2 squared to the targets along the flow with exact transport. */
function exactPath({ conditions, law }: MatchedGroup, eta: number, steps: number): Float64Array {
  const { distances } = particleFlow(Float64Array.from(conditions), Float64Array.from(law.targets), {
    dimension: law.width,
    eta,
    steps,
  });
  return distances.map((distance) => distance ** 2);
}

/** At most `perClass` groups of each class, evenly over those there are; the last AR step is always among them. */
export function spreadGroups(groups: readonly MatchedGroup[], perClass: number): MatchedGroup[] {
  return [...new Set(groups.map((group) => group.class))].flatMap((label) => {
    const own = groups.filter((group) => group.class === label);
    const count = Math.min(perClass, own.length);
    return Array.from({ length: count }, (_, i) => own[Math.round(((i + 1) * own.length) / count) - 1]);
  });
}

/**
 * Generates images and pairs the conditions of each group (class, position, step) with as many of the buffer. Step 0 is left out:
 * there the condition is one point per class.
 */
export async function generatedGroups(
  model: ImageModel,
  ideal: IdealConditions,
  labels: Int32Array,
  source: Key,
): Promise<MatchedGroup[]> {
  const { width } = ideal;
  const found = new Map<string, { class: number; rows: number[] }>();
  const latents = await model.generate({
    labels,
    key: source,
    hook: async (at) => {
      const rows = (await at.conditions.data()) as Float32Array;
      if (at.step > 0) {
        for (const [name, members] of groupRows(at, ideal.grouping)) {
          const group = found.get(name) ?? { class: at.classes[members[0]], rows: [] };
          found.set(name, group);
          group.rows.push(...takeRows(rows, members, width));
        }
      }
      return at.conditions.clone();
    },
  });
  latents.dispose();
  return [...found].flatMap(([name, { class: label, rows }]) => {
    const targets = ideal.law(name)?.targets ?? new Float32Array();
    const length = Math.min(rows.length, targets.length);
    if (length < 2 * width) return [];
    const law = new IdealLaw({ targets: targets.slice(0, length), width });
    return [{ group: name, class: label, ...createGroup(Float32Array.from(rows.slice(0, length)), law) }];
  });
}

export interface TrainedContractionOptions {
  /** Generated images per class, and points of a cloud; default 24. */
  perClass?: number;
  /** Groups per class, evenly over positions and steps; default 3. */
  groupsPerClass?: number;
  /** Over the mean cost; default [0.05, 0.01, 0.002, 0], where 0 is exact transport. */
  epsilons?: readonly number[];
  eta?: number;
  steps?: number;
  /** Default 0. */
  seed?: number;
  /** Folder of the weights; default the shipped ones. */
  checkpoints?: string;
}

/**
 * rho of the refinement on the conditions of the trained AR and MAR: generated conditions against the ideal law of held-out images.
 * @throws MissingDependencyError when the checkpoints are not there.
 */
export async function measureTrainedContraction(options: TrainedContractionOptions = {}): Promise<Contraction[]> {
  const { perClass = 24, groupsPerClass = 3, epsilons = [0.05, 0.01, 0.002, 0], eta, steps, seed = 0 } = options;
  const checkpoints = options.checkpoints ?? CHECKPOINTS;
  const { models, latents, classes, dispose } = await loadTrainedModels({ checkpoints, referencePerClass: 2 });
  try {
    const real = latents('reference', perClass);
    const labels = Int32Array.from({ length: perClass * classes.length }, (_, i) => i % classes.length);
    const source = foldIn(key(seed), 'trained contraction');
    const reports: Contraction[] = [];
    for (const model of [models.ar, models.mar]) {
      const own = foldIn(source, model.name);
      const ideal = await learnIdealLaw(model, real, foldIn(own, 'ideal'), { capacity: perClass });
      const all = await generatedGroups(model, ideal, labels, foldIn(own, 'generated'));
      const groups = spreadGroups(all, groupsPerClass);
      for (const epsilon of epsilons) {
        reports.push(measureContraction(model.name, groups, { eta, epsilon, steps, source: own }));
      }
    }
    return reports;
  } finally {
    dispose();
  }
}

/** The steps (from 1) whose factor is surely above rho: the interval wholly outside the margin. */
export function slowSteps({ eta, ratios }: Contraction): number[] {
  return ratios.flatMap(({ low }, step) => (low > proximalRate(eta) * (1 + MARGIN) ? [step + 1] : []));
}

/** The first step (from 1) that surely brings no conditions nearer; undefined if none. */
export function contractionStops({ ratios }: Contraction): number | undefined {
  const step = ratios.findIndex(({ low }) => low >= 1);
  return step < 0 ? undefined : step + 1;
}

/** One row per model and epsilon: the factor at the first and last step, where rho is lost, and the nearest approach. */
export function contractionTable(reports: readonly Contraction[]): Record<string, string | number>[] {
  return reports.map((report) => {
    const { model, epsilon, eta, ratios, distances, groups, classes, points, converged } = report;
    const nearest = distances.indexOf(Math.min(...distances));
    return {
      model,
      epsilon: name(epsilon),
      'rho, 1/(1+2 eta)': proximalRate(eta).toFixed(4),
      'first step': interval(ratios[0]),
      'last step': interval(ratios[ratios.length - 1]),
      'above rho by 1 %': slowSteps(report).join(', ') || 'no step',
      'no contraction from': contractionStops(report) ?? 'not reached',
      'nearest, share of start (step)': `${distances[nearest].toFixed(3)} (${nearest})`,
      'groups, classes, points': `${groups}, ${classes}, ${points}`,
      'Sinkhorn converged': converged.toFixed(2),
    };
  });
}

/** Summary lines: Theorem 3 asks that every step contracts by rho. Above rho with the whole interval at any step: fails. */
export function contractionSummary(reports: readonly Contraction[]) {
  return reports.map((report) => {
    const { model, epsilon, eta, ratios, distances, groups, classes, points } = report;
    const rho = proximalRate(eta);
    const slow = slowSteps(report);
    const stops = contractionStops(report);
    const holds = ratios.every(({ high }) => high <= rho * (1 + MARGIN));
    const worst = ratios.reduce((a, b) => (b.value > a.value ? b : a));
    return {
      claim: `Theorem 3's rate 1/(1+2 eta) at every refinement step of generated conditions: ${model}, ${name(epsilon)}`,
      ours: `${ratios[0].value.toFixed(4)} at the first step, ${worst.value.toFixed(4)} at the worst of ${ratios.length}; rho ${rho.toFixed(4)}`,
      error: `worst step 95 % [${worst.low.toFixed(4)}, ${worst.high.toFixed(4)}], ${groups} groups of ${points} points, ${classes} classes`,
      paper: 'some rho < 1, for the exact step',
      verdict: slow.length > 0 ? ('fails' as const) : holds ? ('holds' as const) : ('undecided' as const),
      note:
        `W2 to the targets by exact transport; ${(100 * distances[distances.length - 1]).toFixed(1)} % of the first distance is left after ` +
        `${ratios.length} steps (rho^K: ${(100 * rho ** ratios.length).toFixed(1)} %). ` +
        (slow.length === 0
          ? 'No step is surely more than 1 % above rho. '
          : `Entropic bias: surely more than 1 % above rho at steps ${slow.join(', ')}. `) +
        (stops !== undefined
          ? `It stops contracting at step ${stops}.`
          : ratios.every(({ high }) => high < 1)
            ? 'W2 falls at every step.'
            : ''),
    };
  });
}

function name(epsilon: number): string {
  return epsilon === 0 ? 'exact transport' : `epsilon ${epsilon}`;
}

function interval({ value, low, high }: Interval): string {
  return `${value.toFixed(4)} [${low.toFixed(4)}, ${high.toFixed(4)}]`;
}
