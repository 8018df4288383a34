import { skippedLines } from '../data/image-folder';
import { InvalidInputError } from '../runtime/errors';
import { Interrupted } from '../runtime/interrupt';
import { loadTrainingData } from './data';
import { TRAINED_MODELS, type TrainedModelName, trainingProfile } from './profiles';
import { type TrainedFile, type TrainModelOptions, trainModel } from './train-model';
import { type Variant, variantProfile } from './variants';

/** Options of a training of several models. */
export interface TrainAllOptions extends TrainModelOptions {
  /** `procedural` (default) or a folder of class folders. */
  data?: string;
  strict?: boolean;
  convert?: boolean;
  /** Default: all, in the order in which they need each other. */
  models?: TrainedModelName[];
  /** Size and resolution of the token models; default those of the profile. */
  variant?: Pick<Variant, 'size' | 'resolution'>;
}

/**
 * Trains the autoencoder, the classifier and the token models of a profile one after the other, each from the weights before
 * it. `trainAll('small')` retrains the shipped checkpoints; it needs a backend (`useBackend()`).
 * @returns the trainings in order; interrupted, the last one may be unfinished, with its state saved.
 */
export async function trainAll(profileName = 'small', options: TrainAllOptions = {}): Promise<TrainedFile[]> {
  const { data = 'procedural', models = [...TRAINED_MODELS], signal, onText } = options;
  const unknown = models.filter((name) => !TRAINED_MODELS.includes(name));
  if (unknown.length > 0) {
    throw new InvalidInputError('Models to train', {
      given: unknown.join(', '),
      expected: `some of ${TRAINED_MODELS.join(', ')}`,
      remedy: 'Correct the name.',
    });
  }
  const named = trainingProfile(profileName);
  const profile = options.variant ? variantProfile(named, options.variant) : named;
  const done: TrainedFile[] = [];
  try {
    const loaded = await loadTrainingData(profile, { ...options, data, onProgress: onText });
    for (const text of skippedLines(loaded.skipped)) onText?.(text);
    const { name, count, classNames, size } = loaded.splits.train;
    onText?.(`${name}: ${count} training images of ${classNames.length} classes, ${size} pixels`);
    for (const model of TRAINED_MODELS.filter((each) => models.includes(each))) {
      done.push(await trainModel(model, profile, loaded, options));
      if (signal?.aborted) break;
    }
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
  }
  return done;
}
