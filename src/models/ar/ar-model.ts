import * as tf from '@tensorflow/tfjs';
import { createDiffusion } from '../../diffusion/gaussian-diffusion';
import type { Parameters } from '../../runtime/parameters';
import { runPart } from '../compiled/compile-model';
import { fingerprint } from '../files/fingerprint';
import type { ImageModel, TeacherForced } from '../image-model';
import { classEmbedding, patchify, tokenChannels, tokenCount, unpatchify } from '../mar/mar';
import { keyedDraws } from '../sample-step';
import { type CausalArConfig, causalConditions } from './causal-ar';
import { sampleCausalAr } from './causal-ar-sample';

/** A causal autoregressive model for experiments: one token per step, in raster order, so that step and position agree. */
export function arModel(parameters: Parameters, config: CausalArConfig): ImageModel {
  const [tokens, channels] = [tokenCount(config), tokenChannels(config)];

  async function* teacherForced(latents: tf.Tensor4D, labels: Int32Array): AsyncIterable<TeacherForced> {
    const [conditions, real] = tf.tidy(() => {
      const inputs = { all: patchify(latents, config.patchSize), labels: tf.tensor1d(labels, 'int32') };
      const { conditions } = runPart(parameters, 'teacher forcing', inputs, (given: typeof inputs, weights) => ({
        conditions: causalConditions(weights, config, given.all, classEmbedding(weights, given.labels)),
      }));
      return [conditions, inputs.all];
    });
    for (let step = 0; step < tokens; step++) {
      const column = (x: tf.Tensor3D) => tf.tidy(() => x.slice([0, step, 0], [-1, 1, -1]).dataSync() as Float32Array);
      yield {
        step,
        conditions: column(conditions),
        latents: column(real),
        samples: Int32Array.from(labels.keys()),
        classes: labels,
        positions: new Int32Array(labels.length).fill(step),
        known: Uint8Array.from({ length: labels.length * tokens }, (_, i) => (i % tokens < step ? 1 : 0)),
      };
    }
    tf.dispose([conditions, real]);
  }

  return {
    name: 'AR',
    spec: { family: 'ar', config },
    parameters,
    fingerprint: fingerprint(parameters),
    conditionWidth: config.width,
    tokens,
    channels,
    side: config.imageSize / config.vaeStride,
    steps: tokens,
    denoisingSteps: createDiffusion({ respacing: config.samplingSteps }).steps,
    toLatents: (all) => unpatchify(all, config.patchSize),
    generate: ({ labels, key, hook, ...options }) =>
      sampleCausalAr(parameters, config, keyedDraws(key), { ...options, classes: labels, conditionHook: hook }),
    teacherForced,
  };
}
