import type { Parameters } from '../../runtime/parameters';
import type { Key } from '../../runtime/random';
import { fanInUniform, initialise, ones, type Shapes, zeros } from '../blocks/initialisers';

/** A KL-regularised convolutional autoencoder (Rombach et al. 2022), with the reference's names in comments. */
export interface VaeConfig {
  /** Channels of the images; `in_channels`, `out_ch`. */
  imageChannels: number;
  /** Width of the first level, a multiple of the groups; `ch`. */
  width: number;
  /** Width of each level relative to the first; each level but the last halves the size; `ch_mult`. */
  multipliers: number[];
  /** Residual blocks per level of the encoder, one more in the decoder; `num_res_blocks`. */
  blocks: number;
  /** Height and width of the images that attention resolutions refer to; `resolution`. */
  resolution: number;
  /** Resolutions with attention in the levels of the encoder and of the decoder. */
  encoderAttention: number[];
  decoderAttention: number[];
  /** Channels between encoder and `quant_conv`; `z_channels`. */
  bottleneck: number;
  /** Channels of the latents; `embed_dim`. */
  latentChannels: number;
  /** Groups of the group norms; default 32. */
  groups?: number;
  /** Latents are multiplied by this for the generative model, so that they have unit variance. */
  latentScale: number;
}

/** KL-16: 256x256 images to 16x16 latents of 16 channels. */
export const KL16: VaeConfig = {
  imageChannels: 3,
  width: 128,
  multipliers: [1, 1, 2, 2, 4],
  blocks: 2,
  resolution: 256,
  encoderAttention: [16],
  decoderAttention: [],
  bottleneck: 16,
  latentChannels: 16,
  latentScale: 0.2325,
};

/** One stage of an encoder or decoder: the weights' name and what is done with them. */
export type Stage =
  | { kind: 'residual'; name: string; from: number; to: number }
  | { kind: 'attention'; name: string; from: number }
  | { kind: 'down'; name: string; from: number }
  | { kind: 'up'; name: string; from: number };

/** The stages between the first and the last convolution, in order of use, and the width at the end. */
export function encoderStages(config: VaeConfig): Stage[] {
  const stages: Stage[] = [];
  let width = config.width;
  let resolution = config.resolution;
  config.multipliers.forEach((multiplier, level) => {
    for (let i = 0; i < config.blocks; i++) {
      stages.push({
        kind: 'residual',
        name: `encoder.down.${level}.block.${i}`,
        from: width,
        to: config.width * multiplier,
      });
      width = config.width * multiplier;
      if (config.encoderAttention.includes(resolution)) {
        stages.push({ kind: 'attention', name: `encoder.down.${level}.attn.${i}`, from: width });
      }
    }
    if (level === config.multipliers.length - 1) return;
    stages.push({ kind: 'down', name: `encoder.down.${level}.downsample`, from: width });
    resolution /= 2;
  });
  return [...stages, ...middleStages('encoder', width)];
}

export function decoderStages(config: VaeConfig): Stage[] {
  const levels = config.multipliers.length;
  let width = lastWidth(config);
  let resolution = config.resolution / 2 ** (levels - 1);
  const stages = middleStages('decoder', width);
  for (let level = levels - 1; level >= 0; level--) {
    const to = config.width * config.multipliers[level];
    for (let i = 0; i <= config.blocks; i++) {
      stages.push({ kind: 'residual', name: `decoder.up.${level}.block.${i}`, from: width, to });
      width = to;
      if (config.decoderAttention.includes(resolution)) {
        stages.push({ kind: 'attention', name: `decoder.up.${level}.attn.${i}`, from: width });
      }
    }
    if (level > 0) stages.push({ kind: 'up', name: `decoder.up.${level}.upsample`, from: width });
    resolution *= 2;
  }
  return stages;
}

function middleStages(part: string, width: number): Stage[] {
  return [
    { kind: 'residual', name: `${part}.mid.block_1`, from: width, to: width },
    { kind: 'attention', name: `${part}.mid.attn_1`, from: width },
    { kind: 'residual', name: `${part}.mid.block_2`, from: width, to: width },
  ];
}

function lastWidth(config: VaeConfig): number {
  return config.width * config.multipliers[config.multipliers.length - 1];
}

/** Names and shapes of the weights. */
export function vaeShapes(config: VaeConfig): Shapes {
  const shapes: Shapes = new Map();
  const convolve = (name: string, out: number, input: number, size = 3) => {
    shapes.set(`${name}.weight`, [out, input, size, size]).set(`${name}.bias`, [out]);
  };
  const norm = (name: string, width: number) => shapes.set(`${name}.weight`, [width]).set(`${name}.bias`, [width]);
  const addStage = (stage: Stage) => {
    const { name, from } = stage;
    if (stage.kind === 'residual') {
      norm(`${name}.norm1`, from);
      convolve(`${name}.conv1`, stage.to, from);
      norm(`${name}.norm2`, stage.to);
      convolve(`${name}.conv2`, stage.to, stage.to);
      if (from !== stage.to) convolve(`${name}.nin_shortcut`, stage.to, from, 1);
    } else if (stage.kind === 'attention') {
      norm(`${name}.norm`, from);
      for (const part of ['q', 'k', 'v', 'proj_out']) convolve(`${name}.${part}`, from, from, 1);
    } else {
      convolve(`${name}.conv`, from, from);
    }
  };
  const { imageChannels, width, bottleneck, latentChannels } = config;
  convolve('encoder.conv_in', width, imageChannels);
  encoderStages(config).forEach(addStage);
  norm('encoder.norm_out', lastWidth(config));
  convolve('encoder.conv_out', 2 * bottleneck, lastWidth(config));
  convolve('decoder.conv_in', lastWidth(config), bottleneck);
  decoderStages(config).forEach(addStage);
  const end = width * config.multipliers[0];
  norm('decoder.norm_out', end);
  convolve('decoder.conv_out', imageChannels, end);
  convolve('quant_conv', 2 * latentChannels, 2 * bottleneck, 1);
  convolve('post_quant_conv', bottleneck, latentChannels, 1);
  return shapes;
}

/** Fresh weights: convolutions uniform within +- 1/sqrt(inputs), norms 1 and 0, as PyTorch starts them. */
export function initVae(config: VaeConfig, key: Key): Parameters {
  const shapes = vaeShapes(config);
  return initialise(shapes, key, (name, shape) => {
    if (name.includes('norm')) return name.endsWith('.weight') ? ones : zeros;
    const kernel = shape.length === 4 ? shape : (shapes.get(name.replace(/bias$/, 'weight')) as number[]);
    return fanInUniform(kernel[1] * kernel[2] * kernel[3]);
  });
}
