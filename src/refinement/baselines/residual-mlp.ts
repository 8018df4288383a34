import * as tf from '@tensorflow/tfjs';
import { initialise, type Shapes, xavier, zeros } from '../../models/blocks/initialisers';
import { linear, silu } from '../../models/blocks/layers';
import { InvalidInputError } from '../../runtime/errors';
import type { Parameters } from '../../runtime/parameters';
import { foldIn, type Key, normal, permutation, randint } from '../../runtime/random';
import { trainStep } from '../../training/compiled-step';
import type { Loss } from '../../training/step';
import type { IdealConditions } from '../ideal-conditions';
import type { MethodOptions } from '../options';
import { checkGroup, type Refiner } from '../refiner';
import { rowMean } from '../rows';
import { changed } from './changed';

/** A fitted network; `dispose` frees its weights. */
export interface ResidualMlp {
  refiner: Refiner;
  /** Share of the noise's variance that is left on held-out rows: 1 = does nothing. */
  noiseLeft: number;
  dispose(): void;
}

/**
 * A small residual network c <- c + s f((c - m) / s, m) that takes conditions towards their ideal law one by one, m being the mean
 * of the group's ideal law (which names class and position) and s the pooled deviation within groups.
 *
 * What it is trained on (ours): conditions under generated and under real histories do not come in pairs, so it learns to undo
 * noise: rows of the buffer plus isotropic Gaussian noise of the stated share of their group's variance in, the rows out.
 * It therefore knows the ideal law and the size of the drift, but not the drift's direction.
 * @throws InvalidInputError for a buffer without a group of ten rows or more.
 */
export async function fitResidualMlp(
  ideal: IdealConditions,
  source: Key,
  options: MethodOptions<'residual-mlp'>,
): Promise<ResidualMlp> {
  const { width } = ideal;
  const { hidden, steps, batch, rate, noise } = options;
  const law = pooledLaw(ideal, source);
  const draw = (rows: Int32Array, key: Key) => {
    const z = normal(key, rows.length * width);
    const x = new Float32Array(rows.length * 2 * width);
    const y = new Float32Array(rows.length * width);
    rows.forEach((row, i) => {
      const { mean, deviation } = law.groups[law.group[row]];
      for (let k = 0; k < width; k++) {
        const shake = (Math.sqrt(noise) * deviation * z[i * width + k]) / law.scale;
        x[2 * i * width + k] = (law.rows[row * width + k] - mean[k]) / law.scale + shake;
        x[(2 * i + 1) * width + k] = law.context(mean, k);
        y[i * width + k] = -shake;
      }
    });
    return { x: tf.tensor2d(x, [rows.length, 2 * width]), y: tf.tensor2d(y, [rows.length, width]) };
  };
  const loss: Loss = (parameters, { x, y }) =>
    network(parameters, x as tf.Tensor2D)
      .sub(y)
      .square()
      .mean() as tf.Scalar;
  const initial = initialNetwork(width, hidden, foldIn(source, 'weights'));
  const update = trainStep(loss, initial, { name: 'residual MLP', emaRate: 0.99, clipNorm: 1 });
  tf.dispose([...initial.values()]);
  for (let step = 0; step < steps; step++) {
    const own = foldIn(foldIn(source, 'step'), step);
    const picked = randint(foldIn(own, 'rows'), batch, 0, law.training.length).map((i) => law.training[i]);
    const given = draw(picked, foldIn(own, 'noise'));
    // falls to a twentieth along half a cosine, as all trainings here
    await update.update(given, rate * (0.525 + 0.475 * Math.cos((Math.PI * step) / steps)));
    tf.dispose(given);
  }
  const parameters = update.ema();
  update.dispose();
  const test = draw(law.heldOut, foldIn(source, 'held out'));
  const noiseLeft = tf.tidy(
    () => loss(parameters, test).div(test.y.square().mean()).dataSync()[0], // over what doing nothing leaves
  );
  tf.dispose(test);
  const refiner: Refiner = (group) => {
    checkGroup(group);
    const { mean } = group.law;
    const count = group.conditions.length / width;
    const x = new Float32Array(count * 2 * width);
    group.conditions.forEach((value, i) => {
      const k = i % width;
      const row = (i - k) / width;
      x[2 * row * width + k] = (value - mean[k]) / law.scale;
      x[(2 * row + 1) * width + k] = law.context(mean, k);
    });
    const change = tf.tidy(() => network(parameters, tf.tensor2d(x, [count, 2 * width])).dataSync());
    return changed(group, (value, i) => value + law.scale * change[i]);
  };
  return {
    refiner,
    noiseLeft,
    dispose: () => tf.dispose([...parameters.values()]),
  };
}

function network(parameters: Parameters, x: tf.Tensor2D): tf.Tensor2D {
  const first = silu(linear(parameters, 'mlp.0', x));
  return linear(parameters, 'mlp.4', silu(linear(parameters, 'mlp.2', first)) as tf.Tensor2D);
}

/** Starts as the identity: the last layer is zero. */
function initialNetwork(width: number, hidden: number, source: Key): Parameters {
  const shapes: Shapes = new Map([
    ['mlp.0.weight', [hidden, 2 * width]],
    ['mlp.0.bias', [hidden]],
    ['mlp.2.weight', [hidden, hidden]],
    ['mlp.2.bias', [hidden]],
    ['mlp.4.weight', [width, hidden]],
    ['mlp.4.bias', [width]],
  ]);
  return initialise(shapes, source, (name) => (name.endsWith('.bias') || name.startsWith('mlp.4') ? zeros : xavier));
}

/** The rows of a buffer with what the network needs to know of their groups. */
function pooledLaw(ideal: IdealConditions, source: Key) {
  const { width } = ideal;
  const groups: { mean: Float64Array; deviation: number }[] = [];
  const group: number[] = [];
  const training: number[] = [];
  const heldOut: number[] = [];
  const parts: Float32Array[] = [];
  let within = 0;
  for (const name of [...ideal.groups.keys()].sort()) {
    const law = ideal.law(name);
    if (!law || law.count < FEWEST_ROWS) continue;
    const { targets: rows, count, mean, variance } = law;
    within += variance * count;
    const order = permutation(foldIn(foldIn(source, 'split'), name), count);
    order.forEach((row, i) => {
      (i < count / 10 ? heldOut : training).push(group.length + row);
    });
    for (let row = 0; row < count; row++) group.push(groups.length);
    groups.push({ mean, deviation: Math.sqrt(variance / width) });
    parts.push(rows);
  }
  const scale = Math.sqrt(within / (group.length * width));
  if (!(scale > 0)) {
    throw new InvalidInputError('Residual MLP', {
      given: `a buffer of ${ideal.groups.size} groups, ${groups.length} of them with ${FEWEST_ROWS} rows or more`,
      expected: `groups of at least ${FEWEST_ROWS} different conditions`,
      remedy: 'Fill the buffer with more images per class.',
    });
  }
  const rows = new Float32Array(group.length * width);
  let at = 0;
  for (const part of parts) {
    rows.set(part, at);
    at += part.length;
  }
  const centre = rowMean(Float32Array.from(groups.flatMap(({ mean }) => [...mean])), width);
  let spread = 0;
  for (const { mean } of groups) for (let k = 0; k < width; k++) spread += (mean[k] - centre[k]) ** 2;
  const between = Math.sqrt(spread / (groups.length * width)) || 1; // one group has no spread of means
  return {
    groups,
    group,
    training,
    heldOut: Int32Array.from(heldOut),
    rows,
    scale,
    /** A coordinate of a group's mean, standardised over the groups. */
    context: (mean: Float64Array, k: number) => (mean[k] - centre[k]) / between,
  };
}

/** Groups with fewer rows say too little about their law to be learned from. */
const FEWEST_ROWS = 10;
