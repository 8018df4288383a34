import type * as tf from '@tensorflow/tfjs';
import { marLoss, tokenCount } from '../models/mar/mar';
import { maskByOrder, maskedCount } from '../models/mar/masking';
import type { Parameters } from '../runtime/parameters';
import { initEma, updateEma } from '../training/ema';
import { adamW, decays, initAdamW } from '../training/optimizer';
import { valueAndGradients } from '../training/step';
import { type Comparison, TOLERANCE } from './comparison';
import { marConfigOf, marInputs } from './mar-cases';
import type { ReferenceCase } from './reference';
import type { Runner } from './runner';

interface OptimizerCase {
  lr: number;
  betas: [number, number];
  eps: number;
  weight_decay: number;
  grad_clip: number | null;
  ema_rate: number;
}

/** AdamW steps of MAR with decay groups, clipping and moving averages. */
export const marTraining: Runner = {
  family: 'mar training',
  matches: (given) => 'optimizer' in given.json && given.has('step0.imgs'),
  run: (given, compare) => {
    const config = marConfigOf(given);
    const optimizer = given.part<OptimizerCase>('optimizer');
    const start = given.weights();
    const rates = averageRates(given, optimizer);
    let averages = new Map([...rates.values()].map((rate) => [rate, initEma(start)]));
    let parameters = start;
    let state = initAdamW(start);
    const losses: number[] = [];
    const norms: number[] = [];
    for (let step = 0; given.has(`step${step}.imgs`); step++) {
      const count = maskedCount(tokenCount(config), given.part<number[]>('mask_rates')[step]);
      const mask = maskByOrder(given.integers(`step${step}.orders`), tokenCount(config), count);
      const { batch, draws } = marInputs(given, config, `step${step}.`, mask);
      const { value, gradients } = valueAndGradients((all) => marLoss(all, config, batch, draws), parameters, {});
      const updated = adamW(parameters, gradients, state, {
        learningRate: optimizer.lr,
        beta1: optimizer.betas[0],
        beta2: optimizer.betas[1],
        epsilon: optimizer.eps,
        weightDecay: optimizer.weight_decay,
        clipNorm: optimizer.grad_clip ?? undefined,
      });
      ({ parameters, state } = updated);
      const latest = parameters;
      averages = new Map([...averages].map(([rate, old]) => [rate, updateEma(old, latest, rate)]));
      losses.push(value);
      norms.push(updated.gradientNorm);
    }
    compare.entries('losses', losses, given.part<number[]>('losses'), TOLERANCE.loss);
    compare.entries('gradient norms', norms, given.part<number[]>('grad_norms_before_clipping'), TOLERANCE.gradient);
    compareGroups(given, compare, start);
    for (const name of given.namesAfter('after.')) compareUpdate(given, compare, name, start, parameters);
    for (const [prefix, rate] of rates) {
      for (const name of given.namesAfter(prefix)) {
        const average = averages.get(rate)?.get(name) as Float32Array;
        const expected = given.values(`${prefix}${name}`);
        compare.largest(`${prefix}${name}`, average, expected, averageTolerance(given, name, rate, expected));
      }
    }
  },
};

/** Rates of the moving averages by the prefix of their tensors: `ema.` at the case's own, `ema0.9.` at 0.9. */
function averageRates(given: ReferenceCase, { ema_rate: own }: OptimizerCase): Map<string, number> {
  const prefixes = new Set(given.namesAfter('ema').map((name) => `ema${/^(\d+\.\d+)?\./.exec(name)?.[0] ?? '.'}`));
  return new Map([...prefixes].map((prefix) => [prefix, Number.parseFloat(prefix.slice('ema'.length)) || own]));
}

/**
 * An average also inherits the rounding of the parameters, which AdamW amplifies where a gradient is tiny: ten times what
 * the reference's own float32 run differs from float64, weighted as the latest update is.
 */
function averageTolerance(given: ReferenceCase, name: string, rate: number, expected: Float64Array): number {
  const roundings = given.part<Record<string, { param_max_abs?: number }> | undefined>('float32_vs_float64');
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const inherited = (10 * (1 - rate) * (roundings?.[name]?.param_max_abs ?? 0)) / (largest || 1);
  return Math.max(TOLERANCE.average, inherited);
}

function compareGroups(given: ReferenceCase, compare: Comparison, start: Parameters): void {
  const groups = given.part<{ decay: string[]; no_decay: string[] } | undefined>('weight_decay_groups');
  if (!groups) return;
  const decayed = [...start].filter(([name, x]) => decays(name, x.shape)).map(([name]) => name);
  compare.equal('weight decay groups', decayed.sort(), [...groups.decay].sort());
}

/** Rms difference over rms change. The key third of an attention bias has zero true gradient: only rounding moves it. */
function compareUpdate(
  given: ReferenceCase,
  compare: Comparison,
  name: string,
  start: Parameters,
  parameters: Parameters,
): void {
  const expected = given.values(`after.${name}`);
  const actual = (parameters.get(name) as tf.Tensor).dataSync();
  const before = (start.get(name) as tf.Tensor).dataSync();
  const third = expected.length / 3;
  const isKey = (i: number) => name.endsWith('attn.qkv.bias') && i >= third && i < 2 * third;
  let difference = 0;
  let change = 0;
  expected.forEach((value, i) => {
    if (isKey(i)) return;
    difference += (actual[i] - value) ** 2;
    change += (value - before[i]) ** 2;
  });
  compare.add(`after.${name}`, Math.sqrt(difference / (change || 1)), TOLERANCE.update);
}
