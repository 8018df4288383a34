import type { Diffusion } from './gaussian-diffusion';

/** One reverse step on plain arrays: what does not change between entries. */
export interface ArrayStep {
  diffusion: Diffusion;
  /** Index of the respaced process. */
  step: number;
  method: 'ancestral' | 'ddim';
  /** Guidance scale; 1 reads the conditional half of the network's output only. */
  guidance: number;
  /** DDIM only, 0 .. 1. */
  eta: number;
  /** Ancestral only, scale of the noise. */
  temperature: number;
}

/** Sample and predicted start `[rows, channels]`. */
export interface ArrayResult {
  sample: Float32Array;
  predictedStart: Float32Array;
}

/**
 * `ancestralStep` and `ddimStep` of reverse-step.ts in one loop: a few flops an entry, for which thirty operators of a graph would
 * spend their time on being called.
 * @param output the network's `[rows, 2 channels]`, noise prediction and variance values; with guidance the unconditional half follows.
 * @param noised `[rows, channels]`. @param noise the same shape; undefined at the last step and where the method adds none.
 */
export function reverseArrays(
  { diffusion, step, method, guidance, eta, temperature }: ArrayStep,
  output: Float32Array,
  noised: Float32Array,
  channels: number,
  noise?: Float32Array,
): ArrayResult {
  const at = (name: keyof Diffusion['tables']) => Math.fround(diffusion.tables[name][step]);
  const [inverse, minus] = [at('sqrtReciprocalAlphaBar'), at('sqrtReciprocalMinusOne')];
  const [ofStart, ofNoised] = [at('posteriorMeanOfStart'), at('posteriorMeanOfNoised')];
  const [logBeta, clipped] = [at('logBetas'), at('posteriorLogVarianceClipped')];
  const [now, before] = [at('alphaBar'), at('alphaBarPrevious')];
  const sigma = eta * Math.sqrt((1 - before) / (1 - now)) * Math.sqrt(1 - now / before);
  const [rootBefore, rest] = [Math.sqrt(before), Math.sqrt(1 - before - sigma ** 2)];
  const sample = new Float32Array(noised.length);
  const predictedStart = new Float32Array(noised.length);
  for (let i = 0, row = 0; i < noised.length; row += 2 * channels) {
    for (let c = 0; c < channels; c++, i++) {
      let epsilon = output[row + c];
      if (guidance !== 1) {
        const free = output[2 * noised.length + row + c];
        epsilon = free + guidance * (epsilon - free);
      }
      const x = noised[i];
      const start = inverse * x - minus * epsilon;
      predictedStart[i] = start;
      if (method === 'ddim') {
        sample[i] = rootBefore * start + rest * epsilon + (noise ? sigma * noise[i] : 0);
        continue;
      }
      const mean = ofStart * start + ofNoised * x;
      if (!noise) {
        sample[i] = mean;
        continue;
      }
      const fraction = (output[row + channels + c] + 1) / 2;
      const logVariance = fraction * logBeta + (1 - fraction) * clipped;
      sample[i] = mean + Math.exp(0.5 * logVariance) * noise[i] * temperature;
    }
  }
  return { sample, predictedStart };
}
