import { z } from 'zod';
import { variantSchema } from '../recipes/variants';
import { refinementSchema } from '../refinement/options';
import { describedObject, parseOptions } from '../runtime/options';
import { asJson, type Configuration } from '../sweep/configuration';

/** Whose conditions the buffer holds; all but `real` are controls. */
export const LAW_SOURCES = ['real', 'wrong-class', 'shuffled', 'own'] as const;

/** Everything but the sampling seed that decides the images of a run. */
export const runSchema = describedObject({
  model: z.enum(['AR', 'MAR', 'CDM']).default('AR').describe('whose images'),
  training: variantSchema.prefault({}),
  checkpoints: z.string().default('data/checkpoints').describe('folder of the weights'),
  images: z.number().int().min(10).multipleOf(10).default(1000).describe('images, a multiple of the ten classes'),
  guidance: z.number().positive().max(20).default(1).describe('scale of classifier-free guidance; 1 is none'),
  law: describedObject({
    split: z
      .enum(['train', 'control'])
      .default('train')
      .describe("images of the buffer: the model's training images, or images that nothing else has seen"),
    source: z
      .enum(LAW_SOURCES)
      .default('real')
      .describe(
        'what is done to them: nothing, filed under the next class or a random one, or images that the model generated itself',
      ),
    perClass: z.number().int().min(2).max(1200).default(100).describe('images per class behind the buffer'),
  }).prefault({}),
  refinement: refinementSchema.prefault({ method: 'none' }),
  measure: z
    .boolean()
    .default(true)
    .describe('measure conditions against the law of held-out images, in time that is not counted'),
}).superRefine(({ model, refinement, law }, context) => {
  const refuse = (path: string[], message: string) => context.addIssue({ code: 'custom', path, message });
  if (model === 'CDM' && refinement.method !== 'none') {
    refuse(['refinement', 'method'], "'none' for CDM, whose condition is static; AR and MAR can be refined");
  }
  if (law.split === 'control' && law.perClass > 150) {
    refuse(['law', 'perClass'], "at most 150 of the split 'control': the others measure the conditions");
  }
});

/** A run as users write it; what is left out has its default. */
export type RunOptions = z.input<typeof runSchema>;

/** The same with every default filled in. */
export type RunConfiguration = z.output<typeof runSchema>;

/**
 * Checks a run and fills in all defaults.
 * @throws InvalidInputError naming a wrong field (with the nearest), a refinement of a static condition, or a split with too few images.
 */
export function runConfiguration(given: RunOptions | Configuration = {}): RunConfiguration {
  return parseOptions('a run', runSchema, given);
}

/** The configuration as plain JSON, which parses to itself: what rows are keyed by. */
export function runJson(configuration: RunConfiguration): Configuration {
  return asJson({ ...configuration });
}
