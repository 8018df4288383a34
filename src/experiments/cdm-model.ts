import { keyedNoise } from '../diffusion/noise';
import type { CdmConfig } from '../models/cdm';
import { sampleCdm } from '../models/cdm-sample';
import { fingerprint } from '../models/fingerprint';
import { tokenChannels, tokenCount, unpatchify } from '../models/mar';
import type { Parameters } from '../models/parameters';
import { respacedDiffusion } from '../models/token-sampler';
import type { ImageModel } from './image-model';

/** Conditional diffusion for experiments: one static condition and one reverse process, so nothing to refine. */
export function cdmModel(parameters: Parameters, config: CdmConfig): ImageModel {
  const [tokens, channels] = [tokenCount(config), tokenChannels(config)];
  return {
    name: 'CDM',
    spec: { family: 'cdm', config },
    fingerprint: fingerprint(parameters),
    conditionWidth: config.width,
    tokens,
    channels,
    side: config.imageSize / config.vaeStride,
    steps: 1,
    denoisingSteps: respacedDiffusion(config.samplingSteps).steps,
    toLatents: (all) => unpatchify(all, config.patchSize),
    generate: async ({ labels, key, guidance, respacing, onDenoise }) => {
      const rows = Int32Array.from({ length: labels.length * tokens }, (_, i) => i);
      return sampleCdm(parameters, config, keyedNoise(key), {
        classes: labels,
        guidance,
        respacing,
        onStep:
          onDenoise &&
          ((diffusionStep, { sample }) => onDenoise({ step: 0, diffusionStep, tokens: rows, noised: sample })),
      });
    },
  };
}
