import { strict as assert } from 'node:assert';
import * as tf from '@tensorflow/tfjs';
import { describe as describeImages, evaluate, makeReference } from '../../src/experiments/evaluation';
import type { ImageModel } from '../../src/experiments/image-model';
import { compare, MEASURES, makeImages, type Run, runTable1, summarise } from '../../src/experiments/table-1';
import {
  lowerIsBetter,
  paperRow,
  readable,
  summaryRows,
  verdictText,
  withPaper,
} from '../../src/experiments/table-1-report';
import { causalArConfig } from '../../src/models/causal-ar';
import { initClassifier } from '../../src/models/classifier';
import { addConditions, createIdealConditions } from '../../src/refinement/ideal-conditions';
import { useBackend } from '../../src/runtime/backend';
import { foldIn, key, normal } from '../../src/runtime/random';

/** A "model" whose images are noise of a given mean, and which shows its hook one step of conditions. */
function noiseModel(name: string, mean: number): ImageModel {
  return {
    name,
    spec: { family: 'ar', config: causalArConfig() },
    fingerprint: name,
    conditionWidth: 2,
    tokens: 64,
    channels: 3,
    side: 8,
    steps: 1,
    denoisingSteps: 1,
    toLatents: (tokens) => tokens.reshape([-1, 8, 8, 3]) as tf.Tensor4D,
    generate: async ({ labels, key: source, hook }) => {
      const conditions = tf.tensor2d(Float32Array.from(normal(foldIn(source, 'c'), 2 * labels.length)), [
        labels.length,
        2,
      ]);
      const refined = await hook?.({
        step: 0,
        steps: 1,
        conditions,
        classes: labels,
        positions: new Int32Array(labels.length),
        samples: labels.map((_, i) => i),
        shortSample: (c) => c,
      });
      tf.dispose([conditions, ...(refined ? [refined] : [])]);
      const pixels = Float32Array.from(normal(source, labels.length * 192), (z) => mean + 0.2 * z);
      return tf.tensor4d(pixels, [labels.length, 8, 8, 3]);
    },
  };
}

describe('experiments/table-1', () => {
  const run = (method: string, seed: number, fid: number): Run => ({
    method,
    seed,
    fid,
    inceptionScore: 2,
    precision: 0.5,
    recall: 0.5,
    classAccuracy: 0.3,
    secondsPerImage: 0.01,
  });

  it('pairs differences by seed, whatever the order of the runs, and judges by the whole interval', () => {
    const base = [10, 12, 20];
    const gain = [-1, -1.1, -0.9];
    const runs = [2, 0, 1].flatMap((seed) => [
      run('AR', seed, base[seed]),
      run('AR + OT', seed, base[seed] + gain[seed]),
    ]);
    const difference = compare(runs.reverse(), 'AR', 'AR + OT', 'fid');
    // mean -1, standard deviation 0.1: far tighter than the spread of the values themselves
    assert.ok(Math.abs(difference.mean + 1) < 1e-12);
    assert.ok(Math.abs(difference.standardError - 0.1 / Math.sqrt(3)) < 1e-12);
    assert.equal(lowerIsBetter(difference), 'holds');
    assert.equal(lowerIsBetter({ low: -1, high: 0.1 }), 'undecided');
    assert.equal(lowerIsBetter({ low: 0.1, high: 2 }), 'fails');
  });

  it('reports what does not replicate first', () => {
    const names = ['CDM', 'AR', 'AR + OT', 'AR + nearest neighbour', 'MAR', 'MAR + OT'];
    const level: Record<string, number> = {
      CDM: 30,
      AR: 20,
      'AR + OT': 15,
      'AR + nearest neighbour': 15,
      MAR: 22,
      'MAR + OT': 28,
    };
    const jitter = (name: string, seed: number) => level[name] + 0.1 * normal(foldIn(key(seed), name), 1)[0];
    const runs = names.flatMap((name) => [0, 1, 2, 3].map((seed) => run(name, seed, jitter(name, seed))));
    const verdicts = Object.fromEntries(summaryRows(runs).map(({ claim, verdict }) => [claim, verdict]));
    assert.equal(verdicts['Table 1: refinement improves AR'], 'holds');
    assert.equal(verdicts['Table 1: refinement improves MAR'], 'fails');
    const text = verdictText(runs);
    assert.ok(text.indexOf('improves MAR') < text.indexOf('improves AR'));
    assert.match(text, /not told apart from plain retrieval/);
  });

  it('has a mean and an error for every measure, and the paper beside it', () => {
    const rows = summarise([run('MAR + OT', 0, 1), run('MAR + OT', 1, 3)]).map((row) => ({
      ...row,
      ...paperRow(String(row.method)),
    }));
    for (const measure of MEASURES)
      assert.ok(Number.isFinite(Number((rows[0] as Record<string, unknown>)[`${measure} error`])));
    assert.equal(readable(withPaper(rows))[0].fid, '2.00 ± 1.00');
    assert.equal(readable(withPaper(rows))[0].paperFid, 1.31);
    assert.equal(paperRow('AR + nearest neighbour').paperFid, null);
  });

  describe('with images', () => {
    const classifier = () => initClassifier({ size: 8, classes: 2, width: 8, features: 6 }, key(1));

    before(async () => {
      await useBackend();
    });

    it('a model of the reference law is nearer to it than one of another law, and nothing leaks', async () => {
      const weights = classifier();
      const real = await noiseModel('real', 0).generate({ labels: new Int32Array(200), key: key(99) });
      const reference = makeReference(describeImages(weights, real).features);
      const before = tf.memory().numTensors;
      const ideal = createIdealConditions({ width: 2, grouping: 'class', capacity: 4, fingerprint: 'near' });
      const origin = { classes: [0, 1], positions: [0, 0], steps: [0, 0] };
      addConditions(ideal, { conditions: Float32Array.of(0, 0, 1, 1), ...origin }, key(3));
      const near = noiseModel('near', 0);
      const runs = await runTable1(
        [
          { name: 'near', model: near },
          { name: 'far', model: noiseModel('far', 0.5) },
          {
            name: 'near, refined',
            model: near,
            refinement: {
              refiner: ({ conditions }) => ({ conditions, iterations: [] }),
              law: { ideal, inverse: { apply: (x) => x, explained: 1 } },
            },
          },
        ],
        { decode: (z) => z.clone(), classifier: weights, reference, classes: 2, images: 60, seeds: [0, 1] },
      );
      assert.equal(tf.memory().numTensors, before);
      assert.equal(runs.length, 6);
      for (const seed of [0, 1]) {
        const of = (method: string) => runs.find((r) => r.method === method && r.seed === seed) as Run;
        assert.ok(of('near').fid < of('far').fid);
        assert.equal(of('near').fid, of('near, refined').fid, 'methods of a seed share their draws');
      }
    });

    it('judges bytes: values beyond [-1, 1] count as the limits', async () => {
      const weights = classifier();
      const { images } = await makeImages({ name: 'm', model: noiseModel('m', 0) }, 0, new Int32Array(50), (z) =>
        z.clone(),
      );
      const reference = makeReference(describeImages(weights, images).features);
      const loud = tf.mul(images, 1e9) as tf.Tensor4D;
      const limits = tf.sign(images) as tf.Tensor4D;
      assert.deepEqual(
        evaluate(weights, reference, loud, new Int32Array(50)),
        evaluate(weights, reference, limits, new Int32Array(50)),
      );
    });
  });
});
