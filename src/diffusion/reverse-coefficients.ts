import type { Diffusion } from './gaussian-diffusion';

/** One reverse step as a function of sample x, predicted noise e, variance values v and fresh noise z, entry by entry. */
export interface ReverseCoefficients {
  /** x_{t-1} = ofNoised x + ofEpsilon e + spread z, */
  ofNoised: Float32Array;
  ofEpsilon: Float32Array;
  /** where the spread is exp(slope v + offset) in ancestral sampling, and the offset in DDIM. */
  slope: Float32Array;
  offset: Float32Array;
  /** The x_0 predicted on the way is startOfNoised x + startOfEpsilon e. */
  startOfNoised: Float32Array;
  startOfEpsilon: Float32Array;
}

/**
 * `ancestralStep` and `ddimStep` of reverse-step.ts multiplied out: for each of `order`, indices of the respaced process, a few numbers.
 * @param eta DDIM only, 0 .. 1.
 */
export function reverseCoefficients(
  { tables }: Diffusion,
  order: readonly number[],
  method: 'ancestral' | 'ddim',
  eta: number,
): ReverseCoefficients {
  const rows = order.map((step) => {
    const at = (name: keyof typeof tables) => tables[name][step];
    const [inverse, minus] = [at('sqrtReciprocalAlphaBar'), at('sqrtReciprocalMinusOne')];
    const start = { startOfNoised: inverse, startOfEpsilon: -minus };
    if (method === 'ddim') {
      const [now, before] = [at('alphaBar'), at('alphaBarPrevious')];
      const sigma = eta * Math.sqrt((1 - before) / (1 - now)) * Math.sqrt(1 - now / before);
      const [root, rest] = [Math.sqrt(before), Math.sqrt(1 - before - sigma ** 2)];
      return { ...start, ofNoised: root * inverse, ofEpsilon: rest - root * minus, slope: 0, offset: sigma };
    }
    const ofStart = at('posteriorMeanOfStart');
    const [logBeta, clipped] = [at('logBetas'), at('posteriorLogVarianceClipped')];
    return {
      ...start,
      ofNoised: ofStart * inverse + at('posteriorMeanOfNoised'),
      ofEpsilon: -ofStart * minus,
      slope: (logBeta - clipped) / 4,
      offset: (logBeta + clipped) / 4,
    };
  });
  const column = (name: keyof ReverseCoefficients) => Float32Array.from(rows, (row) => row[name]);
  return {
    ofNoised: column('ofNoised'),
    ofEpsilon: column('ofEpsilon'),
    slope: column('slope'),
    offset: column('offset'),
    startOfNoised: column('startOfNoised'),
    startOfEpsilon: column('startOfEpsilon'),
  };
}
