import { estimate, type PairedDifference, pairedDifference } from '../metrics/confidence';
import type { ImageModel } from '../models/image-model';
import { PALETTE } from '../plots/figure';
import { conditionRefinement, type RefinementSettings } from '../refinement/condition-refinement';
import type { Redundancy, StepRedundancy } from '../refinement/redundancy';
import { foldIn, key } from '../runtime/random';

/** Lemma 6 along the generations of one model under several sampling seeds, with a refinement and without. */
export interface MeasuredRedundancy {
  model: string;
  /** `[seeds][AR steps]` */
  refined: ({ step: number } & StepRedundancy)[][];
  unrefined: ({ step: number } & StepRedundancy)[][];
}

/** Generates images under every seed, with the refinement and without, and measures the inconsistency of their conditions. */
export async function measureRedundancy(
  model: ImageModel,
  settings: RefinementSettings,
  { images, classes, seeds }: { images: number; classes: number; seeds: readonly number[] },
): Promise<MeasuredRedundancy> {
  const labels = Int32Array.from({ length: images }, (_, i) => i % classes);
  const measured = async (refiner: RefinementSettings['refiner'], seed: number) => {
    const { hook, report } = conditionRefinement({ ...settings, refiner, measure: true });
    (await model.generate({ labels, key: foldIn(key(seed), 'redundancy'), hook })).dispose();
    return report.records.flatMap(({ step, redundancy }) => (redundancy ? [{ step, ...redundancy }] : []));
  };
  const out: MeasuredRedundancy = { model: model.name, refined: [], unrefined: [] };
  for (const seed of seeds) {
    out.unrefined.push(await measured(({ conditions }) => ({ conditions, iterations: [] }), seed));
    out.refined.push(await measured(settings.refiner, seed));
  }
  return out;
}

/** Where conditions are looked at. */
const SIDES = [
  { side: 'without refinement', of: ({ unrefined }: MeasuredRedundancy) => unrefined, at: 'before' },
  { side: 'before refinement', of: ({ refined }: MeasuredRedundancy) => refined, at: 'before' },
  { side: 'after refinement', of: ({ refined }: MeasuredRedundancy) => refined, at: 'after' },
] as const;

const meanOverSteps = (steps: readonly StepRedundancy[], at: 'before' | 'after', part: keyof Redundancy) =>
  steps.reduce((sum, step) => sum + step[at][part], 0) / steps.length;

/** One row per model and side: means over AR steps, with standard errors over sampling seeds. */
export function redundancyRows(all: readonly MeasuredRedundancy[]) {
  return all.flatMap((measured) =>
    SIDES.map(({ side, of, at }) => {
      const runs = of(measured);
      const part = (name: keyof Redundancy) => estimate(runs.map((steps) => meanOverSteps(steps, at, name)));
      const [redundant, carried, injected] = (['redundant', 'carried', 'injected'] as const).map(part);
      return {
        model: measured.model,
        side,
        redundant: redundant.mean,
        'redundant ±': redundant.standardError,
        carried: carried.mean,
        'carried ±': carried.standardError,
        injected: injected.mean,
        'injected ±': injected.standardError,
        'ideal law': runs.flat().reduce((sum, step) => sum + step.ideal, 0) / runs.flat().length,
        seeds: runs.length,
      };
    }),
  );
}

/** E||eta||^2 by AR step and the part of it that is carried over, with standard errors over sampling seeds. */
export function redundancyCurves({ model, ...measured }: MeasuredRedundancy) {
  return SIDES.flatMap(({ side, of, at }, i) =>
    (['redundant', 'carried'] as const).map((part) => {
      const runs = of({ model, ...measured });
      const steps = runs[0].map(({ step }) => step);
      const estimates = steps.map((_, k) => estimate(runs.map((run) => run[k][at][part])));
      return {
        name: `${side}${part === 'carried' ? ', carried over' : ''}`,
        x: steps,
        y: estimates.map(({ mean }) => mean),
        error: estimates.map(({ standardError }) => standardError),
        mode: 'lines+markers' as const,
        color: PALETTE[i],
        ...(part === 'carried' ? { dash: 'dot' as const } : {}),
      };
    }),
  );
}

/**
 * What refinement changes of E||eta||^2, mean over AR steps, against the same seeds without it.
 * @throws InvalidInputError for fewer than two seeds.
 */
export function redundancyChange({ refined, unrefined }: MeasuredRedundancy): PairedDifference {
  const over = (runs: MeasuredRedundancy['refined'], at: 'before' | 'after') =>
    runs.map((steps) => meanOverSteps(steps, at, 'redundant'));
  return pairedDifference(over(unrefined, 'before'), over(refined, 'after'));
}
