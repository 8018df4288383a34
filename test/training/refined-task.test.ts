import { strict as assert } from 'node:assert';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { causalArConfig, causalArLoss } from '../../src/models/ar/causal-ar';
import { marConfig, marLoss } from '../../src/models/mar/mar';
import { trainingCoupling } from '../../src/recipes/training-coupling';
import { nearestNeighbour } from '../../src/refinement/baselines';
import { optimalTransportRefiner } from '../../src/refinement/optimal-transport';
import { useBackend } from '../../src/runtime/backend';
import type { Parameters } from '../../src/runtime/parameters';
import { foldIn, key, normal } from '../../src/runtime/random';
import { train } from '../../src/training/loop';
import { preparedStep } from '../../src/training/prepared-step';
import { type RefinedModel, refinedCausalAr, refinedMar } from '../../src/training/refined-model';
import { type BatchConditions, type Coupling, fineTuneOptions, refinedTask } from '../../src/training/refined-task';
import { type Batch, eagerStep, valueAndGradients } from '../../src/training/step';
import { type LatentSet, tokenTask } from '../../src/training/tasks';
import { randomise } from '../models/randomise';

const GRID = { imageSize: 32, vaeStride: 8, latentChannels: 4, classes: 3, labelDrop: 0.3 };
const AR = causalArConfig({ ...GRID, width: 16, depth: 1, heads: 2, headDepth: 1, headWidth: 16, noisesPerToken: 2 });
const MAR = marConfig({
  ...GRID,
  encoderWidth: 16,
  encoderDepth: 1,
  encoderHeads: 2,
  decoderWidth: 16,
  decoderDepth: 1,
  decoderHeads: 2,
  bufferSize: 2,
  headDepth: 1,
  headWidth: 16,
  noisesPerToken: 2,
  maskRatioMin: 0.3,
  attentionDropout: 0,
  projectionDropout: 0,
});
const [BATCH, TOKENS, CHANNELS, WIDTH] = [12, 16, 4, 16];

const latents: LatentSet = (() => {
  const values = Float32Array.from(normal(key(1), 30 * TOKENS * CHANNELS));
  const std = new Float32Array(values.length).fill(0.1);
  const labels = Int32Array.from({ length: 30 }, (_, i) => i % 3);
  return { mean: [values, values], std: [std, std], labels, count: 30, side: 4, channels: 4, hash: 'none' };
})();

/** Sets every condition to one constant and remembers what it saw. */
function constantCoupling(value: number) {
  const seen: { moved: BatchConditions[]; learned: BatchConditions[] } = { moved: [], learned: [] };
  const coupling: Coupling = {
    move: (rows) => {
      seen.moved.push(rows);
      return rows.conditions.map(() => value);
    },
    learn: (rows) => {
      seen.learned.push(rows);
    },
    exportState: () => new Map(),
    importState: () => {},
    identity: value,
  };
  return { coupling, seen };
}

describe('training/refined-task', () => {
  before(async () => {
    await useBackend();
  });

  const models: [string, RefinedModel, (parameters: Parameters, batch: Batch) => tf.Scalar][] = [
    ['causal AR', refinedCausalAr(AR), (p, batch) => causalArLoss(p, AR, batch as never, batch as never)],
    ['MAR', refinedMar(MAR), (p, batch) => marLoss(p, MAR, batch as never, batch as never)],
  ];

  for (const [name, model, plainLoss] of models) {
    describe(name, () => {
      let parameters: Parameters;
      let batch: Batch;
      const task = tokenTask(latents, model, BATCH, key(4));
      before(() => {
        parameters = randomise(model.initial(key(2)));
        batch = task.batch(1);
      });
      after(() => tf.dispose([...parameters.values(), ...Object.values(batch)]));

      const prepared = (options: Parameters0) => {
        const made = refinedTask(latents, model, parameters, { batchSize: BATCH, key: key(4), ...options });
        return { ...made, run: (step = 0, given = batch) => made.preparation.prepare(given, parameters, step) };
      };
      type Parameters0 = Partial<Parameters1>;
      type Parameters1 = NonNullable<globalThis.Parameters<typeof refinedTask>[3]>;

      it('without history and offset the loss and its gradients are the plain ones', () => {
        const [a, b] = [model.loss, plainLoss].map((loss) => valueAndGradients(loss, parameters, batch));
        assert.ok(Math.abs(a.value - b.value) <= 1e-6 * Math.abs(b.value), `${a.value} against ${b.value}`);
        for (const [weight, gradient] of a.gradients) {
          const want = b.gradients.get(weight)!;
          const bound = 1e-5 * Math.max(1, want.abs().max().dataSync()[0]); // MAR alone computes fewer rows, in another order
          assert.ok(gradient.sub(want).abs().max().dataSync()[0] <= bound, weight);
        }
        tf.dispose([...a.gradients.values(), ...b.gradients.values()]);
      });

      it('the loss is that of the moved conditions, and only `passThrough` lets the transformer learn', async () => {
        const value = async (passThrough: number) => {
          const { coupling } = constantCoupling(0.3);
          const { run, dispose } = prepared({ coupling, passThrough });
          const more = await run();
          const result = valueAndGradients(model.loss, parameters, { ...batch, ...more });
          const norm = (of: (weight: string) => boolean) =>
            [...result.gradients]
              .filter(([weight]) => of(weight))
              .reduce((sum, [, g]) => sum + tf.tidy(() => g.abs().sum().dataSync()[0]), 0);
          // rows whose label was dropped are not moved and know nothing of the class embedding
          const norms = [norm((w) => w === 'class_emb.weight'), norm((w) => w.startsWith('diffloss'))];
          // what the denoiser gets: rows without a class as they were, all others 0.3
          const seen = tf.tidy(() => {
            const conditions = model.conditions(parameters, batch);
            return conditions.mul(more.passThrough).add(more.offset).dataSync();
          });
          const own = tf.tidy(() => model.conditions(parameters, batch).dataSync());
          tf.dispose([...Object.values(more), ...result.gradients.values()]);
          dispose();
          return { loss: result.value, norms, seen, own };
        };
        const [all, none] = [await value(1), await value(0)];
        assert.ok(Math.abs(all.loss - none.loss) < 1e-5 * Math.abs(all.loss)); // float32: c + (0.3 - c) rounds
        assert.equal(none.norms[0], 0);
        assert.ok(all.norms[0] > 1e-3 && none.norms[1] > 1e-3);
        const kept = batch.labelKept.dataSync();
        const predicted = new Set(model.predicted(batch));
        assert.ok(kept.some((k) => k === 0) && kept.some((k) => k === 1), 'the batch has both kinds of rows');
        all.seen.forEach((x, i) => {
          const token = Math.floor(i / WIDTH);
          const moves = kept[Math.floor(token / TOKENS)] === 1 && predicted.has(token);
          assert.ok(Math.abs(x - (moves ? 0.3 : all.own[i])) < 1e-5, `number ${i}: ${x}`);
        });
      });

      it('a coupling that moves nothing leaves the gradient; else the transformer gets its share, the head all', async () => {
        const classes = { ...batch, labelKept: tf.ones([BATCH, 1]) };
        const gradients = async (given: Batch, coupling: Coupling | undefined, passThrough: number) => {
          const { run, dispose } = prepared({ coupling, passThrough });
          const more = await run(0, given);
          const result = valueAndGradients(model.loss, parameters, { ...given, ...more });
          const values = new Map([...result.gradients].map(([weight, g]) => [weight, g.dataSync().slice()]));
          tf.dispose([...Object.values(more), ...result.gradients.values()]);
          dispose();
          return values;
        };
        const agree = (a: Awaited<ReturnType<typeof gradients>>, b: typeof a, share: (weight: string) => number) => {
          for (const [weight, values] of a) {
            const other = b.get(weight) as typeof values;
            const size = Math.max(...other.map(Math.abs)) + 1e-6;
            // float32, and conditions that agree to rounding only
            values.forEach((x, i) => assert.ok(Math.abs(x - share(weight) * other[i]) < 2e-4 * size, weight));
          }
        };
        const still: Coupling = { ...constantCoupling(0).coupling, move: ({ conditions }) => conditions };
        agree(await gradients(batch, still, 0.25), await gradients(batch, undefined, 1), () => 1);
        const moving: Coupling = { ...still, move: ({ conditions }) => conditions.map((c, i) => c + 1 + Math.sin(i)) };
        const [part, all] = [await gradients(classes, moving, 0.25), await gradients(classes, moving, 1)];
        agree(part, all, (weight) => (weight.startsWith('diffloss') ? 1 : 0.25));
        classes.labelKept.dispose();
      });

      it('the coupling sees rows with a class only; it learns from real histories and moves what own histories give', async () => {
        const { coupling, seen } = constantCoupling(0);
        const { run, dispose } = prepared({ coupling, ownHistory: 0.5, ownSteps: 2 });
        tf.dispose(Object.values(await run()));
        const kept = batch.labelKept.dataSync().filter((x) => x === 1).length;
        const perImage = model.predicted(batch).length / BATCH;
        assert.equal(seen.moved[0].classes.length, kept * perImage);
        const real = tf.tidy(() => model.conditions(parameters, batch).dataSync());
        const [learned, moved] = [seen.learned[0], seen.moved[0]];
        assert.deepEqual(learned.positions, moved.positions);
        const first = model.predicted(batch).find((t) => batch.labelKept.dataSync()[Math.floor(t / TOKENS)] === 1) ?? 0;
        for (let k = 0; k < WIDTH; k++) {
          assert.ok(Math.abs(learned.conditions[k] - real[first * WIDTH + k]) < 1e-5); // compiled against eager
        }
        const apart = learned.conditions.reduce((sum, x, i) => sum + Math.abs(x - moved.conditions[i]), 0);
        assert.ok(apart > 1e-2, 'own tokens change the conditions');
        dispose();
      });

      it('own histories keep the other tokens, hold the share asked for, and grow along the ramp', async () => {
        const real = tf.tidy(() => batch.latents.reshape([BATCH, TOKENS, CHANNELS]).dataSync());
        const changed = async (options: Partial<Parameters1>, step = 0) => {
          const { run, dispose } = prepared({ ownSteps: 2, ...options });
          const more = await run(step);
          const history = more.history.dataSync();
          tf.dispose(Object.values(more));
          dispose();
          return Array.from({ length: BATCH * TOKENS }, (_, t) => t).filter((t) => {
            const at = (x: ArrayLike<number>) => Array.from({ length: CHANNELS }, (_, c) => x[t * CHANNELS + c]);
            return String(at(history)) !== String(at(real));
          });
        };
        const candidates = name === 'MAR' ? BATCH * TOKENS - model.predicted(batch).length : BATCH * TOKENS;
        assert.equal((await changed({ ownHistory: 1 })).length, candidates);
        const half = (await changed({ ownHistory: 0.5 })).length;
        // AR: binomial, 5 standard deviations; MAR: rounded per image
        assert.ok(Math.abs(half - candidates / 2) <= (name === 'MAR' ? BATCH / 2 : 5 * Math.sqrt(candidates / 4)));
        assert.ok((await changed({ ownHistory: 0.5, ramp: 10 }, 1)).length < half);
        if (name === 'MAR') {
          const masked = new Set(model.predicted(batch));
          assert.ok((await changed({ ownHistory: 1 })).every((t) => !masked.has(t)));
        }
      });

      it('own tokens know nothing of what they must not know', async () => {
        const masked = new Set(model.predicted(batch));
        const { ownTokens } = model;
        const { tokens, from } = ownTokens(batch, 0.5, key(9));
        // AR: the real token itself and later ones; MAR: masked tokens and the own ones
        const target = tokens[tokens.length - 1];
        const image = Math.floor(target / TOKENS);
        const hidden = (t: number) => (name === 'MAR' ? masked.has(t) || tokens.includes(t) : t >= target);
        const conditions = (given: Batch) =>
          tf.tidy(() =>
            model.conditions(parameters, given).reshape([-1, WIDTH]).slice([target, 0], [1, -1]).dataSync(),
          );
        const bump = (of: (t: number) => boolean) => {
          const bumps = Float32Array.from({ length: BATCH * TOKENS * CHANNELS }, (_, i) => {
            const t = Math.floor(i / CHANNELS);
            return Math.floor(t / TOKENS) === image && of(t) ? 5 : 0;
          });
          const moved = tf.tidy(() => batch.latents.add(tf.tensor(bumps, batch.latents.shape)));
          const result = conditions({ ...from, latents: moved });
          moved.dispose();
          return result;
        };
        const base = conditions(from);
        bump(hidden).forEach((x, i) => assert.ok(Math.abs(x - base[i]) < 1e-6));
        if (target % TOKENS > 0) assert.ok(bump((t) => !hidden(t)).some((x, i) => Math.abs(x - base[i]) > 1e-4));
        for (const [part, x] of Object.entries(from)) if (x !== batch[part]) x.dispose();
      });

      it('trains in the loop, compiled as eager, and a resumed run gives the very same numbers', async () => {
        const folder = mkdtempSync(join(tmpdir(), 'cer-refined-'));
        const run = async (steps: number, how: { out?: string; resume?: boolean; eager?: boolean } = {}) => {
          const coupling = trainingCoupling(optimalTransportRefiner({ eta: 0.5 }), {
            width: WIDTH,
            minimumRows: 2,
            capacity: 8,
          });
          const { task, preparation, dispose } = refinedTask(latents, model, parameters, {
            batchSize: BATCH,
            key: key(4),
            coupling,
            ownHistory: 0.3,
            ownSteps: 2,
            passThrough: 0.5,
          });
          const result = await train(task, {
            steps,
            schedule: { base: 3e-3 },
            clipNorm: 1,
            emaRate: 0.9,
            makeStep: preparedStep(preparation, how.eager ? eagerStep : undefined),
            ...how,
          });
          dispose();
          const weights = [...result.ema.values()].map((x) => x.dataSync().slice());
          tf.dispose([...result.parameters.values(), ...result.ema.values()]);
          return { losses: [...result.losses], weights, counts: coupling.counts };
        };
        const tensors = tf.memory().numTensors;
        const whole = await run(4);
        assert.ok(whole.counts.refined > 0.3 * whole.counts.offered, JSON.stringify(whole.counts));
        const first = await run(2, { out: folder });
        const rest = await run(4, { out: folder, resume: true });
        // The resumed run has the losses of all steps, those before the interruption among them.
        assert.deepEqual(rest.losses, whole.losses);
        assert.deepEqual(rest.losses.slice(0, 2), first.losses);
        assert.deepEqual(rest.weights, whole.weights);
        const eager = await run(4, { eager: true });
        // one graph against operations one by one in float32; a coupling may amplify that a little
        eager.losses.forEach((loss, i) => assert.ok(Math.abs(loss - whole.losses[i]) < 1e-3 * Math.abs(loss)));
        assert.equal(tf.memory().numTensors, tensors);
        rmSync(folder, { recursive: true });
      }).timeout(120_000); // seconds on a quiet machine: tracing of a graph per number of masked tokens
    });
  }

  it('names a wrong option', () => {
    assert.throws(() => fineTuneOptions({ ownHistory: 1.5 }), /ownHistory = 1.5/);
    assert.equal(fineTuneOptions().passThrough, 1);
  });
});

describe('recipes/training-coupling', () => {
  const rows = (conditions: number[], classes: number[], positions: number[]): BatchConditions => ({
    conditions: Float32Array.from(conditions),
    classes: Int32Array.from(classes),
    positions: Int32Array.from(positions),
  });

  it('moves each group against what it has learned of it, and leaves small or unknown groups alone', () => {
    const coupling = trainingCoupling(nearestNeighbour, { width: 1, minimumRows: 2, capacity: 4 });
    const given = rows([1, 5, 9, 1], [0, 0, 1, 2], [0, 0, 0, 3]);
    assert.deepEqual([...coupling.move(given)], [1, 5, 9, 1]);
    coupling.learn(rows([0, 6, 100, 200, 7, 8], [0, 0, 1, 1, 2, 2], [0, 0, 0, 0, 0, 0]), key(1));
    // class 1 has one row here, class 2 only at another position
    assert.deepEqual([...coupling.move(given)], [0, 6, 9, 1]);
    assert.deepEqual(coupling.counts, { refined: 2, offered: 8 });
  });

  it('its state comes back, also with many rows seen', () => {
    const coupling = trainingCoupling(nearestNeighbour, { width: 1, minimumRows: 1, capacity: 2 });
    for (let i = 0; i < 5; i++) coupling.learn(rows([i], [0], [0]), foldIn(key(2), i));
    const group = coupling.ideal.groups.get('class 0, position 0');
    assert.ok(group);
    coupling.ideal.restore('class 0, position 0', { ...group, seen: 2 ** 25 + 1 });
    const copy = trainingCoupling(nearestNeighbour, { width: 1, minimumRows: 1, capacity: 2 });
    copy.importState(
      new Map(
        JSON.parse(
          JSON.stringify(
            [...coupling.exportState()].map(([name, { shape, data }]) => [name, { shape, data: [...data] }]),
          ),
        ),
      ),
    );
    assert.deepEqual(copy.ideal.groups, coupling.ideal.groups);
  });
});
