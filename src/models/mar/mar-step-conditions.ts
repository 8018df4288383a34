import * as tf from '@tensorflow/tfjs';
import type { Parameters } from '../../runtime/parameters';
import { embedClasses } from '../classes';
import { partsOf, runParts } from '../compiled/compile-model';
import {
  type MarConfig,
  type MarPlacement,
  marConditions,
  marWantedConditions,
  placementTensors,
  tokenChannels,
  tokenCount,
} from './mar';
import { placeTokens } from './masking';

/** The state of a generation: classes of the samples, and their tokens `[batch, tokens]` flat. */
export interface MarSamples {
  /** -1 without a class. */
  classes: Int32Array;
  /** Latents of the tokens, `[batch, tokens, channels]` flat. */
  values: Float32Array;
  /** 1 where a token is not known yet. */
  mask: Uint8Array;
  /** 1 where a token is predicted now. */
  predicted: Uint8Array;
}

/** Conditions of the predicted tokens, with guidance also those without a class, and of all tokens where they are asked for. */
export interface MarStepConditions {
  /** `[rows, width]` in the order of (sample, position). */
  conditional: tf.Tensor2D;
  unconditional?: tf.Tensor2D;
  /** `[batch, tokens, width]`; with guidance the half without classes follows. */
  decoded?: tf.Tensor3D;
}

/** The transformer on all samples, on each thread on its part of them. */
export function conditionsOf(
  parameters: Parameters,
  config: MarConfig,
  samples: MarSamples,
  guided: boolean,
  everyToken: boolean,
): MarStepConditions {
  const parts = partsOf(parameters, samples.classes.length);
  const batch = samples.classes.length / parts;
  const withoutClass = samples.classes[0] < 0;
  const forward = (inputs: Record<string, tf.Tensor>, weights: Parameters): Record<string, tf.Tensor> => {
    const { once, labels, ...rest } = inputs;
    const placement = rest as unknown as MarPlacement;
    const tokens = (guided ? tf.concat([once, once], 0) : once) as tf.Tensor3D;
    const embedded = embedClasses(weights, withoutClass ? batch : (labels as tf.Tensor1D), guided);
    const decoded = everyToken && marConditions(weights, config, tokens, embedded, placement);
    const rows = decoded
      ? tf.gather(decoded.reshape([-1, config.decoderWidth]) as tf.Tensor2D, placement.wanted)
      : marWantedConditions(weights, config, tokens, embedded, placement);
    const halves = (x: tf.Tensor) => (guided ? tf.split(x, 2, 0) : [x]);
    const [conditional, unconditional] = halves(rows);
    const [all, allUnconditional] = decoded ? halves(decoded) : [];
    const results = { conditional, unconditional, all, allUnconditional };
    return Object.fromEntries(Object.entries(results).filter(([, x]) => x !== undefined));
  };
  const name = `conditions of ${batch}${guided ? ', guided' : ''}${withoutClass ? ', without class' : ''}${everyToken ? ', all' : ''}`;
  return tf.tidy(() => {
    const inputs = Array.from({ length: parts }, (_, i) => partOf(config, samples, i, parts, guided));
    const results = runParts(parameters, name, inputs, forward);
    const joined = <T extends tf.Tensor>(...keys: string[]) =>
      tf.concat(
        keys.flatMap((key) => results.map((result) => result[key])),
        0,
      ) as T;
    return {
      conditional: joined<tf.Tensor2D>('conditional'),
      ...(guided ? { unconditional: joined<tf.Tensor2D>('unconditional') } : {}),
      ...(everyToken ? { decoded: joined<tf.Tensor3D>('all', ...(guided ? ['allUnconditional'] : [])) } : {}),
    };
  });
}

/** The i-th of equal parts of the samples as the transformer takes them; under guidance every place occurs twice. */
function partOf(
  config: MarConfig,
  all: MarSamples,
  i: number,
  parts: number,
  guided: boolean,
): Record<string, tf.Tensor> {
  const own = <T extends MarSamples[keyof MarSamples]>(array: T): T => {
    const size = array.length / parts;
    return array.subarray(i * size, (i + 1) * size) as T;
  };
  const [mask, predicted] = [all.mask, all.predicted].map((array) => {
    const part = own(array);
    return guided ? Uint8Array.from([...part, ...part]) : part;
  });
  const labels = own(all.classes);
  return {
    once: tf.tensor3d(own(all.values).slice(), [labels.length, tokenCount(config), tokenChannels(config)]),
    labels: tf.tensor1d(labels, 'int32'),
    ...placementTensors(placeTokens(mask, tokenCount(config), config.bufferSize, predicted)),
  };
}
