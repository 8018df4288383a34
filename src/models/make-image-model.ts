import { InvalidInputError } from '../runtime/errors';
import type { Parameters } from '../runtime/parameters';
import { arModel } from './ar/ar-model';
import { cdmModel } from './cdm/cdm-model';
import type { ImageModel } from './image-model';
import { type MarModelOptions, marModel } from './mar/mar-model';
import type { ModelSpec } from './presets';

/**
 * The generator of any family, with the defaults of every experiment; compiled where the weights are (`compileModel`).
 * @param options of MAR
 * @throws InvalidInputError for an autoencoder.
 */
export function makeImageModel(parameters: Parameters, spec: ModelSpec, options: MarModelOptions = {}): ImageModel {
  if (spec.family === 'mar') return marModel(parameters, spec.config, options);
  if (spec.family === 'ar') return arModel(parameters, spec.config);
  if (spec.family === 'cdm') return cdmModel(parameters, spec.config);
  throw new InvalidInputError('Model to generate with', {
    given: 'an autoencoder',
    expected: 'MAR, causal AR or CDM',
    remedy: 'Pass the autoencoder with --vae and a generator with --weights.',
  });
}
