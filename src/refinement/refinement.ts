import type { ConditionHook } from '../models/conditions';
import { InvalidInputError } from '../runtime/errors';
import { type BaselineMethod, makeBaseline } from './baselines';
import { conditionRefinement, type RefinementReport, type RefinementSettings } from './condition-refinement';
import type { IdealConditions } from './ideal-conditions';
import { optimalTransport } from './optimal-transport';
import type { RefinementConfiguration } from './options';
import { stepPredicate } from './steps';

/** A refinement ready to sample with. */
export interface Refinement {
  configuration: RefinementConfiguration;
  /** The refiner, with all that it is given; absent for a baseline method that acts elsewhere than on conditions, or `none`. */
  settings?: RefinementSettings;
  /** What a baseline method changes beside conditions (guidance, denoising steps). */
  baseline: BaselineMethod;
  /** A new hook and report for one generation; the hook is absent without settings. */
  createHook(more?: Pick<RefinementSettings, 'measure' | 'observe'>): {
    hook?: ConditionHook;
    report?: RefinementReport;
  };
  /** Frees the weights of a baseline method that has any. */
  dispose(): void;
}

/**
 * Makes a refinement from its parsed options (`refinementConfiguration`) and a buffer of ideal conditions.
 * @throws InvalidInputError for a buffer of another grouping than the configuration says.
 */
export async function makeRefinement(
  configuration: RefinementConfiguration,
  ideal: IdealConditions,
  fingerprint: string,
): Promise<Refinement> {
  const { buffer, refinedSteps, inverse, priorSteps, unit, minimumRows, adaptive } = configuration;
  if (buffer.grouping !== ideal.grouping) {
    throw new InvalidInputError('Refinement, grouping of the buffer', {
      given: `a buffer grouped by ${ideal.grouping}`,
      expected: `${buffer.grouping}, as the configuration says`,
      remedy:
        'Collect the ideal conditions with that grouping, or state the grouping of the buffer in the configuration.',
    });
  }
  const baseline: BaselineMethod =
    configuration.method === 'optimal-transport'
      ? { refiner: optimalTransport(configuration) }
      : await makeBaseline(configuration, ideal);
  const { refiner } = baseline;
  const steps = stepPredicate(refinedSteps);
  const settings = refiner && { refiner, ideal, fingerprint, inverse, priorSteps, steps, unit, minimumRows, adaptive };
  return {
    configuration,
    settings,
    baseline,
    createHook: (more) => (settings ? conditionRefinement({ ...settings, ...more }) : {}),
    dispose: () => baseline.dispose?.(),
  };
}
