import { spaceTimesteps } from './respacing';
import { betaSchedule, type NoiseSchedule } from './schedule';

/** The per-step tables of a diffusion process, float64, index 0 = least noise. */
export interface DiffusionTables {
  betas: Float64Array;
  logBetas: Float64Array;
  alphaBar: Float64Array;
  /** abar of the step before (1 at step 0) and after (0 at the last step). */
  alphaBarPrevious: Float64Array;
  alphaBarNext: Float64Array;
  sqrtAlphaBar: Float64Array;
  sqrtOneMinusAlphaBar: Float64Array;
  logOneMinusAlphaBar: Float64Array;
  /** sqrt(1 / abar) and sqrt(1 / abar - 1): x0 = first * x_t - second * noise. */
  sqrtReciprocalAlphaBar: Float64Array;
  sqrtReciprocalMinusOne: Float64Array;
  /** q(x_{t-1} | x_t, x_0): its variance, log variance with step 0 replaced by step 1, and mean = c1 x_0 + c2 x_t. */
  posteriorVariance: Float64Array;
  posteriorLogVarianceClipped: Float64Array;
  posteriorMeanOfStart: Float64Array;
  posteriorMeanOfNoised: Float64Array;
}

/** Tables that a reverse step reads for each row of a batch. */
export const COEFFICIENTS = [
  'logBetas',
  'sqrtAlphaBar',
  'sqrtOneMinusAlphaBar',
  'sqrtReciprocalAlphaBar',
  'sqrtReciprocalMinusOne',
  'posteriorLogVarianceClipped',
  'posteriorMeanOfStart',
  'posteriorMeanOfNoised',
] as const;

export type Coefficient = (typeof COEFFICIENTS)[number];

/** A Gaussian diffusion process with learned-range variance and noise prediction, possibly respaced. */
export interface Diffusion {
  /** Number of steps of this (respaced) process. */
  steps: number;
  /** The original step number of each step, the time input of a network. */
  timestepMap: Int32Array;
  tables: DiffusionTables;
  /** `COEFFICIENTS` of every step in float32, `[steps, 8]`. */
  coefficients: Float32Array;
}

export interface DiffusionOptions {
  /** Default `cosine`. */
  noiseSchedule?: NoiseSchedule;
  /** Steps of the original process; default 1000. */
  trainSteps?: number;
  /** See `spaceTimesteps`; default `''`, all steps. */
  respacing?: string | number | readonly number[];
}

/**
 * A diffusion process and its tables (Ho et al. 2020; Nichol and Dhariwal 2021).
 * A respaced process has the same abar at the kept steps and betas that follow from them.
 */
export function createDiffusion(options: DiffusionOptions = {}): Diffusion {
  const { noiseSchedule = 'cosine', trainSteps = 1000, respacing = '' } = options;
  const original = cumulativeProduct(betaSchedule(noiseSchedule, trainSteps));
  const kept = spaceTimesteps(trainSteps, respacing);
  let last = 1;
  const betas = Float64Array.from(kept, (step) => {
    const beta = 1 - original[step] / last;
    last = original[step];
    return beta;
  });
  const tables = tablesOf(betas);
  const coefficients = Float32Array.from(kept.flatMap((_, step) => COEFFICIENTS.map((name) => tables[name][step])));
  return { steps: kept.length, timestepMap: Int32Array.from(kept), tables, coefficients };
}

function tablesOf(betas: Float64Array): DiffusionTables {
  const steps = betas.length;
  const alphaBar = cumulativeProduct(betas);
  const alphaBarPrevious = Float64Array.from(alphaBar, (_, t) => (t === 0 ? 1 : alphaBar[t - 1]));
  const posteriorVariance = betas.map((beta, t) => (beta * (1 - alphaBarPrevious[t])) / (1 - alphaBar[t]));
  return {
    betas,
    logBetas: betas.map(Math.log),
    alphaBar,
    alphaBarPrevious,
    alphaBarNext: Float64Array.from(alphaBar, (_, t) => (t === steps - 1 ? 0 : alphaBar[t + 1])),
    sqrtAlphaBar: alphaBar.map(Math.sqrt),
    sqrtOneMinusAlphaBar: alphaBar.map((a) => Math.sqrt(1 - a)),
    logOneMinusAlphaBar: alphaBar.map((a) => Math.log(1 - a)),
    sqrtReciprocalAlphaBar: alphaBar.map((a) => Math.sqrt(1 / a)),
    sqrtReciprocalMinusOne: alphaBar.map((a) => Math.sqrt(1 / a - 1)),
    posteriorVariance,
    // The posterior variance is 0 at step 0; a process of one step has no step 1, so it uses beta.
    posteriorLogVarianceClipped: posteriorVariance.map((v, t) =>
      Math.log(t > 0 ? v : steps > 1 ? posteriorVariance[1] : betas[0]),
    ),
    posteriorMeanOfStart: betas.map((beta, t) => (beta * Math.sqrt(alphaBarPrevious[t])) / (1 - alphaBar[t])),
    posteriorMeanOfNoised: betas.map(
      (beta, t) => ((1 - alphaBarPrevious[t]) * Math.sqrt(1 - beta)) / (1 - alphaBar[t]),
    ),
  };
}

function cumulativeProduct(betas: Float64Array): Float64Array {
  let product = 1;
  return betas.map((beta) => (product *= 1 - beta));
}
