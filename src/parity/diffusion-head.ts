import * as tf from '@tensorflow/tfjs';
import { createDiffusion, type Diffusion } from '../diffusion/gaussian-diffusion';
import type { NoiseSource } from '../diffusion/noise';
import { addNoise, guide, predictReverse, splitOutput } from '../diffusion/reverse-step';
import type { SamplerOptions } from '../diffusion/sampler';
import {
  denoise,
  diffusionHead,
  diffusionLoss,
  diffusionLossTerms,
  embedConditions,
  embedTimesteps,
  trainingDiffusion,
} from '../models/blocks/diffusion-loss';
import { timestepFeatures } from '../models/blocks/timestep-features';
import { invertTokens, sampleTokens, type TokenSamplerOptions } from '../models/token-sampler';
import type { Parameters } from '../runtime/parameters';
import { valueAndGradients } from '../training/step';
import { type Comparison, TOLERANCE } from './comparison';
import type { ReferenceCase } from './reference';
import type { Runner } from './runner';

interface HeadCaseConfig {
  num_sampling_steps: string;
  timestep_frequency_size?: number;
  cfg_scale: number;
  temperature_cfg2: number;
  extra_respacing: string | null;
  train_steps?: number;
}

const PREFIX = 'net.';

/** The diffusion-loss head: forward, loss, gradients, reverse steps, samplers. */
export const diffusionHeadCases: Runner = {
  family: 'diffusion-loss head',
  matches: (given) => given.has('fwd.x') && given.has('fwd.c'),
  run: (given, compare) => {
    const parameters = given.weights();
    const config = given.part<HeadCaseConfig>('config');
    const diffusion = createDiffusion({ respacing: config.num_sampling_steps });
    tf.tidy(() => forward(given, compare, parameters, config));
    if (given.has('train.x_start')) tf.tidy(() => training(given, compare, parameters));
    if (given.has('pmv.x')) tf.tidy(() => reverseStep(given, compare, parameters, diffusion));
    if (given.has('sample.z')) sampling(given, compare, parameters, diffusion, config);
  },
};

function forward(given: ReferenceCase, compare: Comparison, parameters: Parameters, config: HeadCaseConfig): void {
  const [x, c] = [given.tensor<tf.Tensor2D>('fwd.x'), given.tensor<tf.Tensor2D>('fwd.c')];
  const t = given.tensor<tf.Tensor1D>('fwd.t');
  const check = (name: string, value: tf.Tensor, tolerance: number = TOLERANCE.forward) => {
    if (given.has(`fwd.${name}`)) compare.largest(`fwd.${name}`, value, given.tensor(`fwd.${name}`), tolerance);
  };
  const times = embedTimesteps(parameters, t, PREFIX);
  check('t_freq', timestepFeatures(t, config.timestep_frequency_size), TOLERANCE.sinusoid);
  check('t_emb', times);
  denoise(parameters, x, times.add(embedConditions(parameters, c, PREFIX)), PREFIX, check);
  check('out', diffusionHead(parameters, x, t, c, PREFIX));
  if (!given.has('fwd.out_cfg')) return;
  const half = given.shape('fwd.out_cfg')[0] / 2;
  const first = <T extends tf.Tensor>(tensor: T, start: number): T => tensor.slice(start, half);
  const steps = first(t, 0);
  const conditional = diffusionHead(parameters, first(x, 0), steps, first(c, 0), PREFIX);
  const free = diffusionHead(parameters, first(x, 0), steps, first(c, half), PREFIX);
  const guided = guide(conditional, free, config.cfg_scale);
  // The reference returns both halves: the guided noise twice, each with its own variance values.
  const second = tf.concat([splitOutput(guided).epsilon, splitOutput(free).variance], 1);
  check('out_cfg', tf.concat([guided, second], 0));
}

function training(given: ReferenceCase, compare: Comparison, parameters: Parameters): void {
  const start = given.tensor<tf.Tensor2D>('train.x_start');
  const c = given.tensor<tf.Tensor2D>('train.c');
  const draws = { steps: given.tensor<tf.Tensor1D>('train.t'), noise: given.tensor<tf.Tensor2D>('train.noise') };
  const check = (name: string, value: tf.Tensor, measure: 'largest' | 'entries', tolerance: number) => {
    if (given.has(`train.${name}`)) compare[measure](`train.${name}`, value, given.tensor(`train.${name}`), tolerance);
  };
  check('x_t', addNoise(trainingDiffusion, start, draws.steps, draws.noise), 'largest', TOLERANCE.forward);
  const { mse, vb, loss } = diffusionLossTerms(parameters, start, c, draws, PREFIX);
  // A small row is the square of a difference of nearly equal numbers: below a tenth it is measured against a tenth.
  compare.entries('train.mse', mse, given.tensor('train.mse'), TOLERANCE.loss, 0.1);
  compareBound(compare, vb.dataSync(), given.values('train.vb'));
  check('loss', loss, 'entries', TOLERANCE.bound);
  check('loss_unmasked', loss.mean(), 'entries', TOLERANCE.loss);
  const mask = given.tensor<tf.Tensor1D>('train.mask');
  const inputs: Parameters = new Map([...parameters, ['x_start', start], ['c', c]]);
  const { value, gradients } = valueAndGradients(
    (all) => {
      const [tokens, conditions] = [all.get('x_start') as tf.Tensor2D, all.get('c') as tf.Tensor2D];
      return diffusionLoss(all, tokens, conditions, draws, { mask, prefix: PREFIX });
    },
    inputs,
    {},
  );
  compare.entries('train.loss_masked', value, given.tensor('train.loss_masked'), TOLERANCE.loss);
  for (const name of given.namesAfter('train.grad.')) {
    check(`grad.${name}`, gradients.get(name) as tf.Tensor, 'largest', TOLERANCE.gradient);
  }
}

/** Relative error per row, counted as a tenth of it below a tenth of a bit, where nearly equal numbers are subtracted. */
function compareBound(compare: Comparison, actual: ArrayLike<number>, expected: Float64Array): void {
  const weighted = expected.map(
    (bits, row) => ((actual[row] - bits) / Math.abs(bits)) * (Math.abs(bits) < 0.1 ? 0.1 : 1),
  );
  compare.largest('train.vb', [...weighted, 1], [...weighted.map(() => 0), 1], TOLERANCE.bound);
}

function reverseStep(given: ReferenceCase, compare: Comparison, parameters: Parameters, diffusion: Diffusion): void {
  const x = given.tensor<tf.Tensor2D>('pmv.x');
  const steps = given.integers('pmv.t');
  const original = tf.tensor1d(
    steps.map((step) => diffusion.timestepMap[step]),
    'int32',
  );
  const output = diffusionHead(parameters, x, original, given.tensor('pmv.c'), PREFIX);
  const predicted = predictReverse(diffusion, output, x, tf.tensor1d(steps, 'int32'));
  const check = (name: string, value: tf.Tensor) =>
    compare.largest(`pmv.${name}`, value, given.tensor(`pmv.${name}`), TOLERANCE.forward);
  check('mean', predicted.mean);
  check('variance', predicted.logVariance.exp());
  check('log_variance', predicted.logVariance);
  check('pred_xstart', predicted.predictedStart);
}

function sampling(
  given: ReferenceCase,
  compare: Comparison,
  parameters: Parameters,
  diffusion: Diffusion,
  config: HeadCaseConfig,
): void {
  const z = given.tensor<tf.Tensor2D>('sample.z');
  const rows = z.shape[0];
  const half = rows / 2;
  const run = (names: Record<'trajectory' | 'pred_xstart', string>, count: number, walk: (onStep: OnStep) => void) => {
    const recorded = { trajectory: [] as number[], pred_xstart: [] as number[] };
    walk((_, { sample, predictedStart }) => {
      recorded.trajectory.push(...sample.dataSync());
      recorded.pred_xstart.push(...predictedStart.dataSync());
    });
    for (const part of ['trajectory', 'pred_xstart'] as const) {
      if (!given.has(names[part])) continue;
      const expected = given.tensor<tf.Tensor3D>(names[part]).slice([0, 0, 0], [-1, count, -1]);
      compare.largest(names[part], recorded[part], expected, samplingTolerance(diffusion.steps));
    }
  };
  const named = (prefix: string) => ({ trajectory: `${prefix}.trajectory`, pred_xstart: `${prefix}.pred_xstart` });
  const options: TokenSamplerOptions = { diffusion, prefix: PREFIX };
  const plain = replay(given, 'sample.cfg1.init_noise', 'sample.cfg1.step_noise', rows);
  run(named('sample.cfg1'), rows, (onStep) => sampleTokens(parameters, z, plain, { ...options, onStep }));
  const guided: TokenSamplerOptions = {
    ...options,
    guidance: config.cfg_scale,
    temperature: config.temperature_cfg2,
    unconditional: z.slice(half, half),
  };
  const doubled = replay(given, 'sample.cfg2.init_noise', 'sample.cfg2.step_noise', half);
  run(named('sample.cfg2'), half, (onStep) =>
    sampleTokens(parameters, z.slice(0, half), doubled, { ...guided, onStep }),
  );
  for (const name of given.namesAfter('ddim.')) {
    const eta = etaOf(name.replace('.trajectory', ''));
    run(named(`ddim.${name.replace('.trajectory', '')}`), rows, (onStep) =>
      sampleTokens(parameters, z, plain, { ...options, method: 'ddim', eta, onStep }),
    );
  }
  if (given.has('ddim_reverse.x0')) {
    run(named('ddim_reverse'), rows, (onStep) =>
      invertTokens(parameters, given.tensor('ddim_reverse.x0'), z, { ...options, onStep }),
    );
  }
  if (given.has('sample.extra.final') && config.extra_respacing) {
    const extra = createDiffusion({ respacing: config.extra_respacing });
    const noise = replay(given, 'sample.cfg1.init_noise', 'sample.extra.step_noise', rows);
    const final = sampleTokens(parameters, z, noise, { ...options, diffusion: extra });
    compare.largest('sample.extra.final', final, given.tensor('sample.extra.final'), samplingTolerance(extra.steps));
  }
}

type OnStep = NonNullable<SamplerOptions['onStep']>;

/** Processes of 100 steps or more lose more digits. */
export function samplingTolerance(steps: number): number {
  return steps >= 100 ? TOLERANCE.longSampling : TOLERANCE.sampling;
}

/** Recorded noise; of the rows of a doubled batch only the first half matters. */
export function replay(given: ReferenceCase, initial: string, steps: string, rows: number): NoiseSource {
  const noise = given.tensor<tf.Tensor3D>(steps);
  const [count, all, channels] = noise.shape;
  const numbers = noise.dataSync() as Float32Array;
  const start = given.tensor(initial).dataSync() as Float32Array;
  return {
    initial: () => start.slice(0, rows * channels),
    step: (step) => {
      const from = (count - 1 - step) * all * channels;
      return numbers.slice(from, from + rows * channels);
    },
  };
}

/** `eta05` is 0.5, `eta0` is 0, `eta1` is 1. */
function etaOf(name: string): number {
  const digits = name.replace('eta', '');
  return Number(`${digits[0]}.${digits.slice(1) || '0'}`);
}
