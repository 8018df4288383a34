import * as tf from '@tensorflow/tfjs';
import { createDiffusion, type Diffusion } from '../../diffusion/gaussian-diffusion';
import { addNoise } from '../../diffusion/reverse-step';
import { type LossTerms, lossTerms } from '../../diffusion/training-loss';
import type { Parameters } from '../../runtime/parameters';
import type { Key } from '../../runtime/random';
import { foldedModulations, headDepth, isFolded } from './folded-head';
import { gaussian, type Initialiser, initialise, ones, type Shapes, xavier, zeros } from './initialisers';
import { layerNorm, linear, normalise, silu } from './layers';
import { timestepFeatures } from './timestep-features';

/** Size of the denoising MLP with adaptive layer norm that the diffusion loss trains. */
export interface DiffusionHeadConfig {
  /** Channels of one token. */
  channels: number;
  /** Width of the condition. */
  conditionWidth: number;
  /** Width of the MLP. */
  width: number;
  /** Number of residual blocks. */
  depth: number;
  /** Length of the sinusoidal timestep embedding, even; default 256. */
  frequencies?: number;
}

/** Prefix of the head's weights inside a whole model, and on its own. */
export const HEAD_IN_MODEL = 'diffloss.net.';
export const HEAD_ALONE = 'net.';

/** The process that the reference trains with: cosine, 1000 steps. */
export const trainingDiffusion: Diffusion = createDiffusion();

/** Names and shapes of the head's weights. */
export function diffusionHeadShapes(config: DiffusionHeadConfig, prefix = HEAD_ALONE): Shapes {
  const { channels, conditionWidth, width, depth, frequencies = 256 } = config;
  const shapes: Shapes = new Map();
  const addLinear = (name: string, out: number, input: number) => {
    shapes.set(`${prefix}${name}.weight`, [out, input]).set(`${prefix}${name}.bias`, [out]);
  };
  addLinear('time_embed.mlp.0', width, frequencies);
  addLinear('time_embed.mlp.2', width, width);
  addLinear('cond_embed', width, conditionWidth);
  addLinear('input_proj', width, channels);
  for (let i = 0; i < depth; i++) {
    shapes.set(`${prefix}res_blocks.${i}.in_ln.weight`, [width]).set(`${prefix}res_blocks.${i}.in_ln.bias`, [width]);
    addLinear(`res_blocks.${i}.mlp.0`, width, width);
    addLinear(`res_blocks.${i}.mlp.2`, width, width);
    addLinear(`res_blocks.${i}.adaLN_modulation.1`, 3 * width, width);
  }
  addLinear('final_layer.linear', 2 * channels, width);
  addLinear('final_layer.adaLN_modulation.1', 2 * width, width);
  return shapes;
}

/** How the reference starts each of the head's weights: Xavier, timestep MLP normal(0.02), modulations and output zero. */
export function diffusionHeadInitialiser(name: string): Initialiser {
  if (name.endsWith('.bias')) return zeros;
  if (name.endsWith('in_ln.weight')) return ones;
  if (name.includes('adaLN_modulation') || name.includes('final_layer')) return zeros;
  return name.includes('time_embed') ? gaussian(0.02) : xavier;
}

/** Fresh weights of a head. */
export function initDiffusionHead(config: DiffusionHeadConfig, key: Key, prefix = HEAD_ALONE): Parameters {
  return initialise(diffusionHeadShapes(config, prefix), key, diffusionHeadInitialiser);
}

/** The timestep part of the modulation, `[rows, width]`. */
export function embedTimesteps(parameters: Parameters, steps: tf.Tensor1D, prefix = HEAD_ALONE): tf.Tensor2D {
  const count = parameters.get(`${prefix}time_embed.mlp.0.weight`)?.shape[1];
  const hidden = linear(parameters, `${prefix}time_embed.mlp.0`, timestepFeatures(steps, count));
  return linear(parameters, `${prefix}time_embed.mlp.2`, silu(hidden));
}

/** The condition part of the modulation, `[rows, width]`. */
export function embedConditions(parameters: Parameters, conditions: tf.Tensor2D, prefix = HEAD_ALONE): tf.Tensor2D {
  return linear(parameters, `${prefix}cond_embed`, conditions);
}

/** The MLP proper: noisy tokens `[rows, channels]` and modulation `[rows, width]` to `[rows, 2 channels]`. */
export function denoise(
  parameters: Parameters,
  noised: tf.Tensor2D,
  modulation: tf.Tensor2D,
  prefix = HEAD_ALONE,
  record?: (name: string, value: tf.Tensor) => void,
): tf.Tensor2D {
  const active = silu(modulation);
  if (isFolded(parameters, prefix)) {
    return denoiseModulated(parameters, noised, foldedModulations(parameters, active, prefix), prefix);
  }
  return residualBlocks(parameters, noised, prefix, record, (block, x) => {
    const last = block === headDepth(parameters, prefix);
    const name = last ? `${prefix}final_layer` : `${prefix}res_blocks.${block}`;
    const all = linear(parameters, `${name}.adaLN_modulation.1`, active);
    const [shift, scale, gate] = tf.split(all, last ? 2 : 3, 1);
    const normed = last ? normalise(x) : layerNorm(parameters, `${name}.in_ln`, x);
    return { modulated: normed.mul(scale.add(1)).add(shift) as tf.Tensor2D, gate };
  });
}

/** The MLP of a folded head under modulations made before, see `foldedModulations`. */
export function denoiseModulated(
  parameters: Parameters,
  noised: tf.Tensor2D,
  modulations: readonly tf.Tensor[],
  prefix = HEAD_ALONE,
): tf.Tensor2D {
  // Scales contain the layer norm's weight and the 1, shifts its bias.
  return residualBlocks(parameters, noised, prefix, undefined, (block, x) => {
    const [shift, scale, gate] = modulations.slice(3 * block, 3 * block + 3);
    return { modulated: normalise(x).mul(scale).add(shift) as tf.Tensor2D, gate };
  });
}

/** @param modulate the adaptive layer norms of the blocks 0 .. depth - 1, which have a gate too, and of the final layer. */
function residualBlocks(
  parameters: Parameters,
  noised: tf.Tensor2D,
  prefix: string,
  record: ((name: string, value: tf.Tensor) => void) | undefined,
  modulate: (block: number, x: tf.Tensor2D) => { modulated: tf.Tensor2D; gate?: tf.Tensor },
): tf.Tensor2D {
  const depth = headDepth(parameters, prefix);
  let x = linear(parameters, `${prefix}input_proj`, noised);
  record?.('h_in', x);
  for (let i = 0; i < depth; i++) {
    const name = `${prefix}res_blocks.${i}`;
    const { modulated, gate } = modulate(i, x);
    const hidden = silu(linear(parameters, `${name}.mlp.0`, modulated));
    x = x.add((gate as tf.Tensor).mul(linear(parameters, `${name}.mlp.2`, hidden)));
    record?.(`h_block${i}`, x);
  }
  return linear(parameters, `${prefix}final_layer.linear`, modulate(depth, x).modulated);
}

/**
 * The whole head: noise prediction and variance values `[rows, 2 channels]` for noisy tokens `[rows, channels]`, original
 * step numbers int32 `[rows]` (or `[1]` for all) and conditions `[rows, conditionWidth]`.
 */
export function diffusionHead(
  parameters: Parameters,
  noised: tf.Tensor2D,
  steps: tf.Tensor1D,
  conditions: tf.Tensor2D,
  prefix = HEAD_ALONE,
): tf.Tensor2D {
  const modulation = embedTimesteps(parameters, steps, prefix).add(embedConditions(parameters, conditions, prefix));
  return denoise(parameters, noised, modulation as tf.Tensor2D, prefix);
}

/** Random draws of the diffusion loss. */
export interface DiffusionDraws {
  /** Step numbers 0 .. 999, int32 `[rows]`. */
  steps: tf.Tensor1D;
  /** Standard normal `[rows, channels]`. */
  noise: tf.Tensor2D;
}

/** Loss per row of tokens `[rows, channels]` under conditions `[rows, conditionWidth]`; differentiable in all but the draws. */
export function diffusionLossTerms(
  parameters: Parameters,
  tokens: tf.Tensor2D,
  conditions: tf.Tensor2D,
  { steps, noise }: DiffusionDraws,
  prefix = HEAD_ALONE,
): LossTerms {
  const noised = addNoise(trainingDiffusion, tokens, steps, noise);
  const output = diffusionHead(parameters, noised, steps, conditions, prefix);
  return lossTerms(trainingDiffusion, output, tokens, noised, steps, noise);
}

/** The diffusion loss: the mean over rows, or over the rows where `mask` (0 or 1, `[rows]`) is 1. */
export function diffusionLoss(
  parameters: Parameters,
  tokens: tf.Tensor2D,
  conditions: tf.Tensor2D,
  draws: DiffusionDraws,
  { mask, prefix = HEAD_ALONE }: { mask?: tf.Tensor1D; prefix?: string } = {},
): tf.Scalar {
  const { loss } = diffusionLossTerms(parameters, tokens, conditions, draws, prefix);
  return (mask ? loss.mul(mask).sum().div(mask.sum()) : loss.mean()) as tf.Scalar;
}
