import { join } from 'node:path';
import { z } from 'zod';
import { causalArConfig } from '../models/ar/causal-ar';
import { cdmConfig } from '../models/cdm/cdm';
import { marConfig } from '../models/mar/mar';
import { presetConfig } from '../models/presets';
import { InvalidInputError } from '../runtime/errors';
import { checkpointFolder } from '../training/trained-model';
import type { TrainingProfile } from './profiles';

/** How a trained model went on training, see `fine-tune.ts`. */
export const FINE_TUNES = ['none', 'continued', 'own-history', 'coupled', 'coupled-own-history'] as const;
export type FineTune = (typeof FINE_TUNES)[number];

/** Which of several trainings of one model: what Tables 1 to 3 and the study of the refinement vary. */
export interface Variant {
  /** Seed of weights, batches and noise; default 0. */
  seed: number;
  /** Widths of 32, 64 and 128 (the denoiser's twice that); default `small`. */
  size: 'narrow' | 'small' | 'wide';
  /** Side of the images in pixels; default 32. */
  resolution: 32 | 64;
  /** Default `none`. */
  fineTune: FineTune;
}

export const variantSchema = z.strictObject({
  seed: z.number().int().min(0).default(0),
  size: z.enum(['narrow', 'small', 'wide']).default('small'),
  resolution: z.union([z.literal(32), z.literal(64)]).default(32),
  fineTune: z.enum(FINE_TUNES).default('none'),
});

/** Where the token models of a variant are: the folder itself for the default one, else a sub-folder that says what is different. */
export function variantFolder({ seed, size, resolution, fineTune }: Variant, given?: string): string {
  const root = checkpointFolder(given);
  const parts = [
    ...(size === 'small' ? [] : [size]),
    ...(resolution === 32 ? [] : [`${resolution}px`]),
    ...(fineTune === 'none' ? [] : [fineTune]),
    ...(seed === 0 ? [] : [`seed-${seed}`]),
  ];
  return parts.length > 0 ? join(root, parts.join('-')) : root;
}

/**
 * A training profile with the token models of a variant. Every size sees as many images as the profile says, twice the resolution three
 * eighths of them (of four times as many tokens); autoencoder and classifier are those of the profile, whatever the variant.
 * @throws InvalidInputError for a combination that has no preset.
 */
export function variantProfile(
  profile: TrainingProfile,
  { size, resolution }: Pick<Variant, 'size' | 'resolution'>,
): TrainingProfile {
  if (size === 'small' && resolution === 32) return profile;
  if (size !== 'small' && resolution !== 32) {
    throw new InvalidInputError('Variant of a training', {
      given: `size ${size} at ${resolution} pixels`,
      expected: 'another size at 32 pixels, or another resolution of size small',
      remedy: 'Change one of the two.',
    });
  }
  const name = resolution === 32 ? size : `small-${resolution}`;
  return {
    ...profile,
    size: resolution,
    budgets: resolution === 32 ? profile.budgets : shortened(profile.budgets, 3 / 8),
    mar: (classes) => marConfig({ ...presetConfig('mar', `mar-${name}`), classes }),
    ar: (classes) => causalArConfig({ ...presetConfig('ar', `ar-${name}`), classes }),
    cdm: (classes) => cdmConfig({ ...presetConfig('cdm', `cdm-${name}`), classes }),
  };
}

function shortened(budgets: TrainingProfile['budgets'], share: number): TrainingProfile['budgets'] {
  const short = Object.entries(budgets).map(([model, budget]) => {
    const steps = Math.ceil(budget.steps * share);
    return [model, { ...budget, steps, warmup: Math.ceil(steps / 20) }];
  });
  return Object.fromEntries(short) as TrainingProfile['budgets'];
}
