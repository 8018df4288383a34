import { tokenCount } from '../models/mar/mar';
import { type MarStepResult, sampleMar } from '../models/mar/mar-sample';
import { type Comparison, TOLERANCE } from './comparison';
import { replay, samplingTolerance } from './diffusion-head';
import { marConfigOf } from './mar-cases';
import { channelsFirst, type ReferenceCase } from './reference';
import type { Runner } from './runner';

interface SamplingCase {
  bsz: number;
  num_iter: number;
  cfg: number;
  cfg_schedule: 'linear' | 'constant';
  temperature: number;
  diffusion_steps: number;
}

interface Iteration {
  predicted_per_sample: number;
  masked_before: number;
  cfg_iter: number;
}

/** Whole generations of MAR from recorded draws. */
export const marSampling: Runner = {
  family: 'mar sampling',
  matches: (given) => 'sampling' in given.json && given.has('orders'),
  run: async (given, compare) => {
    const config = marConfigOf(given);
    const sampling = given.part<SamplingCase>('sampling');
    const iterations: Iteration[] = [];
    const label = (step: number) => `iter${String(step).padStart(2, '0')}`;
    let masked = tokenCount(config);
    const final = await sampleMar(
      given.weights(),
      config,
      {
        orders: given.integers('orders'),
        noise: (step) => {
          const rows = given.shape(`${label(step)}.init_noise`)[0];
          return replay(given, `${label(step)}.init_noise`, `${label(step)}.step_noise`, rows);
        },
        prior: () => {
          throw new Error('the reference has no condition hook');
        },
      },
      {
        classes: given.has('labels') ? given.integers('labels') : sampling.bsz,
        steps: sampling.num_iter,
        guidance: sampling.cfg,
        guidanceSchedule: sampling.cfg_schedule,
        temperature: sampling.temperature,
        onStep: (result) => {
          const predicted = result.predicted.reduce((sum, p) => sum + p, 0) / sampling.bsz;
          iterations.push({ predicted_per_sample: predicted, masked_before: masked, cfg_iter: result.guidance });
          masked -= predicted;
          compareStep(given, compare, label(result.step), result, samplingTolerance(sampling.diffusion_steps));
        },
      },
    );
    compare.largest('final', channelsFirst(final), given.tensor('final'), samplingTolerance(sampling.diffusion_steps));
    const expected = given.part<Iteration[] | undefined>('iterations') ?? [];
    for (const name of ['predicted_per_sample', 'masked_before', 'cfg_iter'] as const) {
      const column = (rows: Iteration[]) => rows.map((row) => row[name]);
      // The reference computes the guidance scale in float32.
      compare.entries(`iterations.${name}`, column(iterations), column(expected), TOLERANCE.stored32);
    }
  },
};

function compareStep(
  given: ReferenceCase,
  compare: Comparison,
  label: string,
  result: MarStepResult,
  tolerance: number,
): void {
  const { step, predicted } = result;
  if (given.has('mask_to_pred')) {
    const all = given.integers('mask_to_pred');
    const expected = all.subarray(step * predicted.length, (step + 1) * predicted.length);
    compare.equal(`mask_to_pred.${label}`, predicted, expected);
  }
  // After the first step conditions see sampled tokens and inherit their error.
  const forward = step === 0 ? TOLERANCE.forward : tolerance;
  if (given.has(`${label}.z`)) {
    const rows = [result.conditions, result.unconditional].flatMap((half) => [...(half?.dataSync() ?? [])]);
    compare.largest(`${label}.z`, rows, given.tensor(`${label}.z`), forward);
  }
  if (given.has(`${label}.sampled`)) {
    compare.largest(`${label}.sampled`, result.sampled, given.tensor(`${label}.sampled`), tolerance);
  }
  if (given.has(`decoder_out_iter${step}`)) {
    compare.largest(`decoder_out_iter${step}`, result.decoded, given.tensor(`decoder_out_iter${step}`), forward);
  }
}
