import { estimate } from '../metrics/confidence';
import { divergence, groupDrift, type MeanDrift, meanDrift } from './drift';
import type { StepRedundancy } from './redundancy';
import type { Group } from './refiner';
import { totalVariance } from './rows';

/** What a refinement did at one AR step, over its groups; drifts are in units of the ideal law's variance. */
export interface StepRecord {
  step: number;
  groups: number;
  /** W2^2 (debiased) to the ideal law minus the same-size floor; absent where groups or halves of the buffer are too small. */
  before?: MeanDrift;
  after?: MeanDrift;
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
  after: Float32Array;
  theory: (number | undefined)[];
}

/** Measures one AR step from the traces of its groups. */
export function stepRecord(step: number, traces: readonly GroupTrace[]): StepRecord {
  const sides = { before: ({ group }: GroupTrace) => group.conditions, after: ({ after }: GroupTrace) => after };
  const drift = (of: (trace: GroupTrace) => Float32Array) =>
    meanDrift(traces.flatMap((trace) => groupDrift(of(trace), trace.group.law) ?? []));
  const spread = (of: (trace: GroupTrace) => Float32Array) => {
    const ratios = traces.flatMap((trace) => {
      const { width, variance } = trace.group.law;
      return variance > 0 ? [totalVariance(of(trace), width) / variance] : [];
    });
    return ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length;
  };
  return {
    step,
    groups: traces.length,
    before: drift(sides.before),
    after: drift(sides.after),
    spread: { before: spread(sides.before), after: spread(sides.after) },
    rho: contraction(traces),
  };
}

function contraction(traces: readonly GroupTrace[]): StepRecord['rho'] {
  const moved = traces.filter(({ path }) => path.length > 1);
  const iterations = Math.min(...moved.map(({ path }) => path.length - 1));
  if (!Number.isFinite(iterations)) return [];
  const squares = Array.from({ length: iterations + 1 }, (_, k) =>
    moved.reduce((sum, { group: { law }, path }) => sum + Math.max(0, divergence(path[k], law.whole, law)), 0),
  );
  return squares.slice(1).map((square, k) => ({
    measured: Math.sqrt(square / squares[k]),
    ...(moved[0].theory[k] === undefined ? {} : { theory: moved[0].theory[k] }),
  }));
}

/**
 * Per iteration, over AR steps: the rate at which the distance to the buffer shrinks with its 95 % interval, and the one of theory.
 * @throws InvalidInputError for fewer than two AR steps.
 */
export function contractionRates(records: readonly StepRecord[]) {
  const iterations = Math.max(0, ...records.map(({ rho }) => rho.length));
  return Array.from({ length: iterations }, (_, k) => {
    const rates = records.flatMap(({ rho }) => (rho[k] && Number.isFinite(rho[k].measured) ? [rho[k].measured] : []));
    const { mean, low, high } = estimate(rates);
    const theory = records.find(({ rho }) => rho[k])?.rho[k].theory;
    return { iteration: k + 1, rho: mean, low, high, theory: theory ?? null, steps: rates.length };
  });
}
