import { toTensor } from '../../io/parameters';
import type { StoredTensor } from '../../io/tensor-record';
import { chooseGroup, openWeightFile, type WeightFile } from '../../io/weight-file';
import { InvalidInputError } from '../../runtime/errors';
import type { Parameters } from '../../runtime/parameters';
import { type CausalArConfig, causalArConfig } from '../ar/causal-ar';
import { type CdmConfig, cdmConfig } from '../cdm/cdm';
import { type MarConfig, marConfig } from '../mar/mar-config';
import { findPreset, type ModelSpec } from '../presets';
import type { VaeConfig } from '../vae/vae-config';
import { nearestPreset, requireFit } from './presets-fit';

/** How to make out which model a weight file is. */
export interface OpenModelOptions {
  /** Name of a preset; default the configuration in the file's metadata, else the preset that fits. */
  preset?: string;
  /** Fields that replace those of the preset or metadata. */
  config?: Record<string, unknown>;
  /** Weights of a checkpoint; default `model_ema` where there is one (what the reference samples with), else `model`. */
  key?: string;
}

/** A weight file whose names and shapes are those of a model; the tensors are not read yet. */
export interface OpenModel {
  spec: ModelSpec;
  /** In words where the configuration comes from. */
  origin: string;
  key: string;
  tensors: Map<string, StoredTensor>;
}

/**
 * Opens a weight file as a model and checks all names and shapes at once.
 * @throws InvalidInputError with every missing, unexpected and misshapen name and a suggestion.
 */
export function openModel(path: string, options: OpenModelOptions = {}): OpenModel {
  const file = openWeightFile(path);
  const { key, tensors: found } = chooseGroup(path, file, options.key, ['model_ema', 'model', '']);
  const tensors = new Map(found);
  const shapes = new Map([...tensors].map(([name, { shape }]) => [name, shape]));
  const { spec, origin } = chooseSpec(path, file, shapes, options);
  const completed = options.config ? withFields(spec, options.config) : spec;
  if (completed.family === 'vae') dropTrainingParts(tensors, shapes);
  requireFit(`Weights in ${path}`, shapes, completed);
  const replaced = options.config ? `, with ${Object.keys(options.config).join(', ')} replaced` : '';
  return { spec: completed, origin: `${origin}${replaced}`, key, tensors };
}

/** Reads the weights of an opened model onto the backend (call `useBackend()` first); the caller disposes of them. */
export function loadWeights({ tensors }: OpenModel): Parameters {
  return new Map([...tensors].map(([name, tensor]) => [name, toTensor(tensor)]));
}

function chooseSpec(
  path: string,
  { values }: WeightFile,
  shapes: ReadonlyMap<string, readonly number[]>,
  { preset }: OpenModelOptions,
): { spec: ModelSpec; origin: string } {
  if (preset !== undefined) return { spec: findPreset(preset), origin: `preset ${preset}` };
  const { model, config } = values;
  if (typeof model === 'string' && typeof config === 'string' && ['mar', 'ar', 'cdm', 'vae'].includes(model)) {
    return { spec: { family: model, config: parsed(path, config) } as ModelSpec, origin: 'configuration in the file' };
  }
  const nearest = nearestPreset(shapes);
  const total = Object.values(nearest.differences).reduce((sum, names) => sum + names.length, 0);
  if (total === 0) return { spec: findPreset(nearest.name), origin: `preset ${nearest.name}, which fits` };
  throw new InvalidInputError(`Weights in ${path}`, {
    given: `no configuration in the file, and no preset that fits (nearest: ${nearest.name}, ${total} differences)`,
    expected: 'a model that can be told',
    remedy: 'Name it with --preset, and fields that differ with --config.',
  });
}

function parsed(path: string, config: string): unknown {
  try {
    return JSON.parse(config);
  } catch (error) {
    throw new InvalidInputError(`Configuration in ${path}`, {
      given: (error as Error).message,
      expected: 'JSON',
      remedy: 'Name a preset instead.',
    });
  }
}

function withFields({ family, config }: ModelSpec, fields: Record<string, unknown>): ModelSpec {
  const unknown = Object.keys(fields).filter((name) => !(name in config));
  if (unknown.length > 0) {
    throw new InvalidInputError('Fields of the configuration', {
      given: unknown.join(', '),
      expected: `some of ${Object.keys(config).join(', ')}`,
      remedy: 'Correct the names.',
    });
  }
  const merged = { ...config, ...fields };
  if (family === 'mar') return { family, config: marConfig(merged as MarConfig) };
  if (family === 'ar') return { family, config: causalArConfig(merged as CausalArConfig) };
  return family === 'cdm'
    ? { family, config: cdmConfig(merged as CdmConfig) }
    : { family, config: merged as VaeConfig };
}

/** An autoencoder's checkpoint may carry its training loss' networks, which nothing here needs. */
function dropTrainingParts(...maps: Map<string, unknown>[]): void {
  for (const map of maps) for (const name of [...map.keys()]) if (name.startsWith('loss.')) map.delete(name);
}
