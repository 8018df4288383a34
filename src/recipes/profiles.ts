import { type CausalArConfig, causalArConfig } from '../models/ar/causal-ar';
import { type CdmConfig, cdmConfig } from '../models/cdm/cdm';
import type { ClassifierConfig } from '../models/features/classifier';
import { type MarConfig, marConfig } from '../models/mar/mar';
import { presetConfig } from '../models/presets';
import type { VaeConfig } from '../models/vae/vae';
import { closest } from '../runtime/closest';
import { InvalidInputError } from '../runtime/errors';

/** The models that are trained, in the order in which they need each other. */
export const TRAINED_MODELS = ['vae', 'classifier', 'mar', 'ar', 'cdm'] as const;
export type TrainedModelName = (typeof TRAINED_MODELS)[number];

/** How long a model is trained and how fast. */
export interface Budget {
  steps: number;
  batch: number;
  /** Learning rate after the warm-up, falling along half a cosine to a twentieth. */
  rate: number;
  warmup: number;
  weightDecay: number;
  clipNorm: number;
  emaRate: number;
}

/** Everything that a training run of all models depends on besides the images and the seed. */
export interface TrainingProfile {
  name: string;
  /** Side of the images in pixels. */
  size: number;
  /** Procedural images per class: training, and each of the two held-out splits. */
  perClass: { train: number; heldOut: number };
  /** Weight of the divergence in the autoencoder's loss. */
  klWeight: number;
  vae: VaeConfig;
  classifierWidth: number;
  mar: (classes: number) => MarConfig;
  ar: (classes: number) => CausalArConfig;
  cdm: (classes: number) => CdmConfig;
  budgets: Record<TrainedModelName, Budget>;
}

const budget = (fields: Partial<Budget> & Pick<Budget, 'steps' | 'batch' | 'rate'>): Budget => ({
  warmup: Math.ceil(fields.steps / 20),
  weightDecay: 0.02,
  clipNorm: 3,
  emaRate: 0.999,
  ...fields,
});

/** MAR, AR and CDM have about the same number of parameters and see the same number of images; sizes are the presets'. */
const SMALL: TrainingProfile = {
  name: 'small',
  size: 32,
  perClass: { train: 1200, heldOut: 300 },
  klWeight: 1e-3,
  vae: presetConfig('vae', 'vae-small'),
  classifierWidth: 16,
  mar: (classes) => marConfig({ ...presetConfig('mar', 'mar-small'), classes }),
  ar: (classes) => causalArConfig({ ...presetConfig('ar', 'ar-small'), classes }),
  cdm: (classes) => cdmConfig({ ...presetConfig('cdm', 'cdm-small'), classes }),
  budgets: {
    vae: budget({ steps: 2500, batch: 32, rate: 2e-3, weightDecay: 0, clipNorm: 1 }),
    classifier: budget({ steps: 1200, batch: 64, rate: 2e-3 }),
    mar: budget({ steps: 3200, batch: 64, rate: 2e-3, emaRate: 0.998 }),
    ar: budget({ steps: 3200, batch: 64, rate: 2e-3, emaRate: 0.998 }),
    cdm: budget({ steps: 3200, batch: 64, rate: 2e-3, emaRate: 0.998 }),
  },
};

const scaled = (profile: TrainingProfile, name: string, factor: number, batch?: number): TrainingProfile => ({
  ...profile,
  name,
  budgets: Object.fromEntries(
    Object.entries(profile.budgets).map(([model, b]) => {
      const steps = Math.max(4, Math.round(b.steps * factor));
      return [model, { ...b, steps, batch: batch ?? b.batch, warmup: Math.ceil(steps / 20) }];
    }),
  ) as TrainingProfile['budgets'],
});

const PROFILES: Record<string, TrainingProfile> = {
  smoke: { ...scaled(SMALL, 'smoke', 0.004, 8), perClass: { train: 20, heldOut: 10 } },
  small: SMALL,
  full: { ...SMALL, name: 'full' },
};

/**
 * The training profile of a name: `smoke` (seconds; shows that everything runs, the models are useless), `small` (about half an
 * hour on 2 cores) or `full` (the same; what the study of several seeds and sizes trains with).
 * @throws InvalidInputError for another name. `paper` is no training profile: that scale needs GPUs and the reference's code.
 */
export function trainingProfile(name: string): TrainingProfile {
  const profile = PROFILES[name];
  if (profile) return profile;
  const near = closest(name, Object.keys(PROFILES));
  throw new InvalidInputError('Training profile', {
    given: JSON.stringify(name),
    expected: `one of ${Object.keys(PROFILES).join(', ')}`,
    remedy:
      name === 'paper'
        ? 'Train at that scale with the PyTorch reference and bring the weights with `cer convert`.'
        : `${near ? `Did you mean ${near}?` : 'Name one of these profiles.'}`,
  });
}

/** The classifier's configuration for a profile. */
export function classifierConfig({ size, classifierWidth }: TrainingProfile, classes: number): ClassifierConfig {
  return { size, classes, width: classifierWidth, features: 64 };
}
