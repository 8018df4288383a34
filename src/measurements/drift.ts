import { estimate } from '../metrics/confidence';
import type { ConditionHook } from '../models/conditions';
import type { ImageModel } from '../models/image-model';
import { groupOf, type IdealConditions, targetsOf } from '../refinement/ideal-conditions';
import { totalVariance } from '../refinement/refiner';
import type { Key } from '../runtime/random';
import { sinkhornDivergence } from '../transport';

/** How far the conditions of one AR step are from their ideal law, as means over groups (class and position). */
export interface Drift {
  step: number;
  groups: number;
  /**
   * Squared transport distance (debiased Sinkhorn divergence) to one half of the ideal samples, minus the same for the
   * other half, both in units of the ideal law's variance: 0 where generated conditions follow the ideal law.
   */
  excess: number;
  /** Standard error of `excess` over groups. */
  error: number;
  /** The part that is taken off: what two samples of the same law are apart at this sample size. */
  floor: number;
  /** Total variance relative to the ideal law's. */
  spread: number;
}

/** Both sides of a refinement; `after` equals `before` where there is none. */
export interface DriftReport {
  before: Drift[];
  after: Drift[];
}

const EPSILON = 0.05;

/**
 * Generates images once and measures at each AR step how far the conditions are from the ideal law, before and after `hook`.
 * The buffer must hold at least twice as many rows per group as there are images per class: one half is the target, the
 * other gives the floor at the same number of rows.
 */
export async function measureDrift(
  model: ImageModel,
  ideal: IdealConditions,
  request: { labels: Int32Array; key: Key; guidance?: number; hook?: ConditionHook },
): Promise<DriftReport> {
  const before: GroupDrift[] = [];
  const after: GroupDrift[] = [];
  const hook: ConditionHook = async (at) => {
    const refined = request.hook ? await request.hook(at) : at.conditions.clone();
    const original = (await at.conditions.data()) as Float32Array;
    before.push(...driftOfStep(ideal, at, original));
    after.push(...driftOfStep(ideal, at, (await refined.data()) as Float32Array));
    return refined;
  };
  const latents = await model.generate({ ...request, hook });
  latents.dispose();
  return { before: meanOverGroups(before), after: meanOverGroups(after) };
}

type GroupDrift = Omit<Drift, 'groups' | 'error'>;

function driftOfStep(
  ideal: IdealConditions,
  { step, classes, positions }: { step: number; classes: Int32Array; positions: Int32Array },
  rows: Float32Array,
): GroupDrift[] {
  const { width } = ideal;
  const groups = new Map<string, number[]>();
  classes.forEach((label, row) => {
    const name = groupOf(ideal.grouping, { class: label, position: positions[row], step });
    groups.set(name, [...(groups.get(name) ?? []), row]);
  });
  return [...groups].flatMap(([name, members]) => {
    const targets = targetsOf(ideal, name);
    const half = targets ? Math.floor(targets.length / width / 2) : 0;
    if (!targets || half < members.length || members.length < 2) return [];
    const variance = totalVariance(targets, width);
    if (!(variance > 1e-10)) return []; // the first step of a class has one condition only
    const own = new Float32Array(members.length * width);
    members.forEach((row, i) => {
      own.set(rows.subarray(row * width, (row + 1) * width), i * width);
    });
    const first = targets.subarray(0, half * width);
    const second = targets.subarray(half * width, (half + members.length) * width);
    const floor = divergence(second, first, width) / variance;
    return [
      {
        step,
        excess: divergence(own, first, width) / variance - floor,
        floor,
        spread: totalVariance(own, width) / variance,
      },
    ];
  });
}

function divergence(x: Float32Array, y: Float32Array, dimension: number): number {
  const epsilon = { value: EPSILON, relativeTo: 'mean' as const };
  return sinkhornDivergence({ x, y, dimension }, { epsilon, tolerance: 1e-4 }).value;
}

function meanOverGroups(parts: GroupDrift[]): Drift[] {
  const steps = [...new Set(parts.map(({ step }) => step))].sort((a, b) => a - b);
  return steps.flatMap((step) => {
    const own = parts.filter((part) => part.step === step);
    if (own.length < 2) return [];
    const excess = estimate(own.map((part) => part.excess));
    const mean = (of: (part: GroupDrift) => number) => own.reduce((sum, part) => sum + of(part), 0) / own.length;
    return [
      {
        step,
        groups: own.length,
        excess: excess.mean,
        error: excess.standardError,
        floor: mean(({ floor }) => floor),
        spread: mean(({ spread }) => spread),
      },
    ];
  });
}
