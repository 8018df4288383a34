import { sinkhornDivergence } from '../transport';
import { type GroupDrift, groupDrift, meanDrift, type StepDrift } from './adaptive';
import type { StepRedundancy } from './redundancy';
import { type Group, totalVariance } from './refiner';

/** What a refinement did at one AR step, over its groups; drifts are in units of the ideal law's variance. */
export interface StepRecord {
  step: number;
  groups: number;
  /** W2^2 (debiased) to the ideal law minus the same-size floor; absent where groups or halves of the buffer are too small. */
  before?: StepDrift;
  after?: StepDrift;
  /** Mean total variance over that of the ideal law. */
  spread: { before: number; after: number };
  /**
   * Per iteration: the factor by which the distance to the targets (root of the debiased divergence, summed over groups)
   * changed, and the one that theory gives for exact transport without an inverse process.
   */
  rho: { measured: number; theory?: number }[];
  /** Energy outside I*, carried over and injected; see `stepRedundancy` for where it is absent. */
  redundancy?: StepRedundancy;
}

/** One group before, between and after. */
export interface GroupTrace {
  group: Group;
  /** `[K + 1]` clouds: before the first iteration, after it, ... */
  path: Float32Array[];
  /** What the group became in the end. */
  after: Float32Array;
  theory: (number | undefined)[];
}

/** Measures one AR step from the traces of its groups. */
export function stepRecord(step: number, traces: readonly GroupTrace[]): StepRecord {
  const drift = (of: (trace: GroupTrace) => Float32Array) =>
    meanDrift(traces.flatMap((trace) => groupDrift({ ...trace.group, conditions: of(trace) }) ?? ([] as GroupDrift[])));
  const spread = (of: (trace: GroupTrace) => Float32Array) => {
    const ratios = traces.flatMap(({ group, ...rest }) => {
      const target = totalVariance(group.targets, group.width);
      return target > 0 ? [totalVariance(of({ group, ...rest }), group.width) / target] : [];
    });
    return ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length;
  };
  const before = ({ group }: GroupTrace) => group.conditions;
  const after = (trace: GroupTrace) => trace.after;
  return {
    step,
    groups: traces.length,
    before: drift(before),
    after: drift(after),
    spread: { before: spread(before), after: spread(after) },
    rho: contraction(traces),
  };
}

function contraction(traces: readonly GroupTrace[]): StepRecord['rho'] {
  const moved = traces.filter(({ path }) => path.length > 1);
  const iterations = Math.min(...moved.map(({ path }) => path.length - 1));
  if (!Number.isFinite(iterations)) return [];
  const squares = Array.from({ length: iterations + 1 }, (_, k) =>
    moved.reduce((sum, { group, path }) => sum + Math.max(0, distance(path[k], group)), 0),
  );
  return squares.slice(1).map((square, k) => ({
    measured: Math.sqrt(square / squares[k]),
    ...(moved[0].theory[k] === undefined ? {} : { theory: moved[0].theory[k] }),
  }));
}

function distance(x: Float32Array, { targets: y, width: dimension }: Group): number {
  const epsilon = { value: 0.05, relativeTo: 'mean' as const };
  return sinkhornDivergence({ x, y, dimension }, { epsilon, tolerance: 1e-4 }).value;
}
