import { createDiffusion } from '../../diffusion/gaussian-diffusion';
import { keyedNoise } from '../../diffusion/noise';
import type { Parameters } from '../../runtime/parameters';
import { fingerprint } from '../files/fingerprint';
import type { ImageModel } from '../image-model';
import { tokenChannels, tokenCount, unpatchify } from '../mar/mar';
import type { CdmConfig } from './cdm';
import { sampleCdm } from './cdm-sample';

/** Conditional diffusion for experiments: one static condition and one reverse process, so nothing to refine. */
export function cdmModel(parameters: Parameters, config: CdmConfig): ImageModel {
  const [tokens, channels] = [tokenCount(config), tokenChannels(config)];
  return {
    name: 'CDM',
    spec: { family: 'cdm', config },
    parameters,
    fingerprint: fingerprint(parameters),
    conditionWidth: config.width,
    tokens,
    channels,
    side: config.imageSize / config.vaeStride,
    steps: 1,
    denoisingSteps: createDiffusion({ respacing: config.samplingSteps }).steps,
    toLatents: (all) => unpatchify(all, config.patchSize),
    generate: async ({ labels, key, respacing, onDenoise, ...options }) => {
      const rows = Int32Array.from({ length: labels.length * tokens }, (_, i) => i);
      return sampleCdm(parameters, config, keyedNoise(key), {
        ...options,
        classes: labels,
        respacing: typeof respacing === 'function' ? respacing(0, 1) : respacing,
        onStep:
          onDenoise &&
          ((diffusionStep, { sample }) => onDenoise({ step: 0, diffusionStep, tokens: rows, noised: sample })),
      });
    },
  };
}
