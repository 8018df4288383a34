import { strict as assert } from 'node:assert';
import * as tf from '@tensorflow/tfjs';
import type { RefinementReport } from '../../src/refinement/condition-refinement';
import { useBackend } from '../../src/runtime/backend';
import { figure2 } from '../../src/study/figure-2';
import { Runner } from '../../src/study/measured-run';
import { type RunOptions, runConfiguration, runJson } from '../../src/study/run-configuration';
import { runOperations } from '../../src/study/run-operations';

describe('study/run-configuration', () => {
  it('fills in every default, and what it gives parses to itself', () => {
    const configuration = runConfiguration({ refinement: { method: 'optimal-transport', eta: 0.5 } });
    const { images, refinement } = configuration;
    assert.equal(images, 1000);
    assert.ok(refinement.method === 'optimal-transport' && refinement.epsilon === 0.05);
    assert.equal(refinement.marginalPenalty, Infinity);
    const json = JSON.parse(JSON.stringify(runJson(configuration)));
    assert.equal(json.refinement.marginalPenalty, 'infinite');
    assert.deepEqual(runConfiguration(json), configuration);
    assert.deepEqual(runJson(runConfiguration(json)), json);
  });

  const refused: [what: string, options: object, message: RegExp][] = [
    ['a refinement of a static condition', { model: 'CDM', refinement: { method: 'shrink' } }, /condition is static/],
    [
      'a misspelt option',
      { refinement: { method: 'optimal-transport', epsilom: 1 } },
      /"epsilom". Did you mean "epsilon"/,
    ],
    ['more held-out images than there are', { law: { split: 'control', perClass: 200 } }, /at most 150/],
    ['a wrong field', { modle: 'AR' }, /"modle". Did you mean "model"/],
    ['an unknown method', { refinement: { method: 'optimal-transprot' } }, /Did you mean "optimal-transport"/],
    ['images that the classes do not divide', { images: 15 }, /images/],
  ];
  for (const [what, options, message] of refused) {
    it(`refuses ${what}`, () => assert.throws(() => runConfiguration(options as RunOptions), message));
  }
});

describe('study/measured-run', function () {
  this.timeout(180_000); // models and laws are loaded once
  const maker = new Runner();
  const small = { images: 100, law: { perClass: 20 } } as const;

  before(async () => {
    await useBackend();
  });

  it('measures a run, the same at each call; without refinement nothing is refined', async () => {
    const configuration = runConfiguration({ ...small });
    const { secondsPerImage: _, ...first } = await maker.run(configuration, 3);
    const { secondsPerImage: __, ...again } = await maker.run(configuration, 3);
    assert.deepEqual(first, again);
    assert.equal(first.refinedRows, 0);
    assert.equal(first.conditionError, first.conditionErrorBefore);
    assert.ok(first.fid > 0 && first.trainingDistance > 0 && (first.spread as number) > 0);
  });

  it('controls: a buffer of the wrong class makes another class, copies of the buffer lie in it', async () => {
    const nearest = { method: 'nearest-neighbour' } as const;
    const right = await maker.run(runConfiguration({ ...small, refinement: nearest }), 3);
    const wrong = await maker.run(
      runConfiguration({ ...small, refinement: nearest, law: { ...small.law, source: 'wrong-class' } }),
      3,
    );
    assert.ok(wrong.classAccuracy < right.classAccuracy, `${wrong.classAccuracy} ${right.classAccuracy}`);
    assert.ok((right.bufferDistance as number) < 1e-6 && (right.bufferDistanceBefore as number) > 0.3);
    assert.ok(right.refinedRows > 0.9);
  });

  it('frees the trainings before the last two: weights do not pile up in a long sweep', async () => {
    const own = new Runner();
    const tensors = [];
    for (const seed of [1, 2, 3, 1]) {
      const { images } = await own.generate(runConfiguration({ images: 10, training: { seed }, measure: false }), 0);
      images.dispose();
      tensors.push(tf.memory().numTensors);
    }
    assert.ok(tensors[1] > tensors[0]); // weights are counted
    assert.deepEqual(tensors.slice(2), [tensors[1], tensors[1]]);
  });

  it('figure2: rows of samples by seed, and under a refined one the nearest training images', async () => {
    const methods = [
      { name: 'AR', options: { model: 'AR', law: small.law } },
      { name: 'AR + OT', options: { model: 'AR', law: small.law, refinement: { method: 'optimal-transport' } } },
    ] as const;
    const options = { trainingSeed: 0, seed: 3, images: 100, shown: 10 };
    const { images, rows } = await figure2(maker, methods, ['AR + OT'], options);
    assert.deepEqual(rows, ['AR', 'AR + OT', 'nearest to AR + OT']);
    assert.deepEqual(images.shape, [30, 32, 32, 3]);
    images.dispose();
  });

  it('operations: refinement adds its own, guidance doubles the sampling', async () => {
    const trained = await maker.trained(runConfiguration({ ...small }));
    const plain = { images: 100, guidance: 1, priorSteps: 4 };
    const once = runOperations(trained.models.ar, trained.vae, plain);
    const guided = runOperations(trained.models.ar, trained.vae, { ...plain, guidance: 2 });
    const half = runOperations(trained.models.ar, trained.vae, { ...plain, respacing: 'ddim25' });
    assert.equal(half, once, "25 steps are the model's own");
    const decoding = 2 * once - guided;
    assert.ok(decoding > 0 && decoding < once);
    const { operations } = await maker
      .generate(runConfiguration({ ...small, measure: false, refinement: { method: 'optimal-transport' } }), 3)
      .then((run) => {
        run.images.dispose();
        return run;
      });
    assert.ok(operations > once && operations < 1.2 * once, `${operations / once}`);
    const ofPoints = (tokens: number) => {
      const group = {
        step: 0,
        group: 'g',
        rows: 10,
        tokens,
        targets: 20,
        iterations: [{ displacement: 0, spread: 1 }],
      };
      const report = { groups: [group], priors: { drawn: 0, rows: 0, reused: 0 } } as unknown as RefinementReport;
      return (runOperations(trained.models.ar, trained.vae, { ...plain, report }) - once) * plain.images;
    };
    assert.equal(Math.round(ofPoints(1)), 10 * 20 * 4 * trained.models.ar.conditionWidth); // costs and projections
    assert.equal(Math.round(ofPoints(3)), 3 * Math.round(ofPoints(1)));
  });
});
