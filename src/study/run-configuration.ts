import { z } from 'zod';
import { type Variant, variantSchema } from '../recipes/variants';
import {
  type RefinementConfiguration,
  type RefinementOptions,
  refinementConfiguration,
} from '../refinement/configuration';
import { InvalidInputError } from '../runtime/errors';
import { parseOptions } from '../runtime/options';

/** Whose conditions the buffer holds; all but `real` are controls. */
export const LAW_SOURCES = ['real', 'wrong-class', 'shuffled', 'own'] as const;

/**
 * Where the ideal law comes from: images of a split (`train`: the model's training images; `control`: images that nothing else
 * has seen), and what is done to them. `wrong-class` files conditions under the next class, `shuffled` under a random one, `own` takes
 * images that the model generated itself.
 */
export interface LawChoice {
  split: 'train' | 'control';
  source: (typeof LAW_SOURCES)[number];
  /** Images per class. */
  perClass: number;
}

/** Everything but the sampling seed that decides the images of a run. What is left out has its default. */
export interface RunOptions {
  /** Default `AR`. */
  model?: 'AR' | 'MAR' | 'CDM';
  /** Which training of it; default the shipped one. */
  training?: Partial<Variant>;
  /** Folder of the checkpoints. */
  checkpoints?: string;
  /** A multiple of the ten classes; default 1000. */
  images?: number;
  /** Scale of classifier-free guidance; default 1, none. */
  guidance?: number;
  law?: Partial<LawChoice>;
  /** Default `{ method: 'none' }`. */
  refinement?: RefinementOptions;
  /** Measure conditions against the law of held-out images; default true. It takes time, which is not counted. */
  measure?: boolean;
}

/** The same with every default filled in; plain JSON that parses to itself. */
export interface RunConfiguration {
  model: 'AR' | 'MAR' | 'CDM';
  training: Variant;
  checkpoints: string;
  images: number;
  guidance: number;
  law: LawChoice;
  refinement: RefinementConfiguration;
  measure: boolean;
}

const schema = z.strictObject({
  model: z.enum(['AR', 'MAR', 'CDM']).default('AR'),
  training: variantSchema.prefault({}),
  checkpoints: z.string().default('data/checkpoints'),
  images: z.number().int().min(10).multipleOf(10).default(1000),
  guidance: z.number().positive().max(20).default(1),
  law: z
    .strictObject({
      split: z.enum(['train', 'control']).default('train'),
      source: z.enum(LAW_SOURCES).default('real'),
      perClass: z.number().int().min(2).max(1200).default(100),
    })
    .prefault({}),
  refinement: z.record(z.string(), z.json()).default({ method: 'none' }),
  measure: z.boolean().default(true),
});

/**
 * Checks a run and fills in all defaults.
 * @throws InvalidInputError naming a wrong field, a refinement of a static condition, a split with too few images, or a rival that acts on
 * the weights, which is a training of its own.
 */
export function runConfiguration(given: RunOptions | Record<string, unknown> = {}): RunConfiguration {
  const parsed = parseOptions('a run', schema, given);
  const refinement = refinementConfiguration(parsed.refinement as unknown as RefinementOptions);
  const refuse = (holds: boolean, given: string, expected: string, remedy: string) => {
    if (holds) throw new InvalidInputError('Options of a run', { given, expected, remedy });
  };
  const { model, law } = parsed;
  const { method } = refinement;
  refuse(
    model === 'CDM' && method !== 'none',
    `refinement ${method} of CDM, whose condition is static`,
    'AR or MAR',
    "Leave the refinement out, or change the model to 'AR' or 'MAR'.",
  );
  refuse(
    method === 'scheduled-sampling',
    'the rival scheduled-sampling',
    'a method that acts while sampling',
    "It changes the weights: train it (`cer train --fine-tune own-history`) and name it as training.fineTune 'own-history'.",
  );
  refuse(
    law.split === 'control' && law.perClass > 150,
    `${law.perClass} images per class of the split control`,
    'at most 150: the others measure the conditions',
    "Lower law.perClass, or take the split 'train'.",
  );
  return { ...parsed, refinement };
}
