import { normalTensor } from '../../src/diffusion/noise';
import { type MarConfig, marConfig, marShapes } from '../../src/models/mar/mar';
import type { Parameters } from '../../src/runtime/parameters';
import { foldIn, key } from '../../src/runtime/random';

/** 4 x 4 tokens of 2 x 2 latents; encoder and decoder of different widths. */
export const TINY: MarConfig = marConfig({
  imageSize: 16,
  vaeStride: 2,
  patchSize: 2,
  latentChannels: 2,
  encoderWidth: 12,
  encoderDepth: 1,
  encoderHeads: 3,
  decoderWidth: 16,
  decoderDepth: 2,
  decoderHeads: 2,
  mlpRatio: 2,
  classes: 5,
  bufferSize: 3,
  headDepth: 1,
  headWidth: 16,
  timestepFrequencies: 16,
  noisesPerToken: 2,
  attentionDropout: 0,
  projectionDropout: 0,
  samplingSteps: '4',
});

/** Weights without the zeros of a fresh model. */
export function livelyMar(config = TINY): Parameters {
  return new Map(
    [...marShapes(config)].map(([name, shape]) => [name, normalTensor(foldIn(key(3), name), shape).mul(0.2)]),
  );
}
