import { strict as assert } from 'node:assert';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildProgram } from '../../src/cli/main';
import { withChecksum } from '../../src/io/checksum';
import { trainingProfile } from '../../src/recipes/profiles';
import {
  MAR_CHOICE_SEEDS,
  missingModels,
  REPORTED_SEEDS,
  TRAININGS,
  trainingArguments,
} from '../../src/recipes/run-trainings';
import { variantFolder, variantProfile, variantSchema } from '../../src/recipes/variants';
import { refinementConfiguration } from '../../src/refinement/options';
import { dryRunStudy } from '../../src/study/dry-run';
import { refinementExperiment } from '../../src/study/experiment';
import { baselineOf, CHOICE_METHODS, REFINEMENT, RIVAL_METHODS } from '../../src/study/methods';
import { readAblation, readResults, saveAblation, saveResults } from '../../src/study/results';
import { difference, type StudyRow } from '../../src/study/rows';
import { runConfiguration } from '../../src/study/run-configuration';
import { ABLATED, planTable, STUDY_SIZES, studyAblation, studyRows, TABLES } from '../../src/study/study';
import { RowStore } from '../../src/sweep/store';
import { measuredRun } from './support';

describe('study', () => {
  it('every method is a run that is valid, and is compared with a method that the study makes', () => {
    const all = TABLES.flatMap(({ methods }) => methods);
    const names = new Set([...all.map(({ name }) => name), 'AR', 'MAR', 'CDM']);
    for (const method of all) {
      assert.doesNotThrow(() => runConfiguration(method.options), method.name);
      assert.ok(names.has(baselineOf(method)), `${method.name} against ${baselineOf(method)}`);
    }
    assert.equal(new Set(all.map(({ name }) => name)).size, all.length, 'names are unique');
  });

  it('every training that a table samples from is among the trainings', () => {
    const there = TRAININGS.flatMap(({ models, variant }) =>
      models.map((model) => `${model} ${variantFolder(variant)}`),
    );
    for (const table of TABLES) {
      for (const { plan } of [planTable(table, STUDY_SIZES.full)]) {
        for (const { configuration } of plan.tasks) {
          const { model, training } = runConfiguration(configuration);
          assert.ok(there.includes(`${model.toLowerCase()} ${variantFolder(training)}`), JSON.stringify(training));
        }
      }
    }
  });

  it('no table reports the training on which things were chosen, but for sizes, which have one training', () => {
    const table1 = planTable(TABLES[0], STUDY_SIZES.full);
    assert.deepEqual([...new Set(table1.cells.map(({ trainingSeed }) => trainingSeed))], REPORTED_SEEDS);
  });

  it("MAR's form is the best on average of those that were tried on the trainings that are not reported", () => {
    const { rows } = readResults('choice');
    const found = CHOICE_METHODS.slice(1).map(({ name, options }) => {
      const { mean } = difference(rows, 'MAR (choice)', name, 'fid');
      return { mean, refinement: options.refinement };
    });
    found.sort((a, b) => a.mean - b.mean);
    assert.deepEqual(refinementConfiguration(found[0].refinement!), refinementConfiguration(REFINEMENT.MAR));
    assert.ok(MAR_CHOICE_SEEDS.every((seed) => !REPORTED_SEEDS.includes(seed)));
  });

  it('guidance at equal operations costs what the refined model costs, within 3 %', () => {
    for (const model of ['AR', 'MAR']) {
      const { rows } = readResults('rivals');
      const cost = (name: string, all: readonly StudyRow[]) =>
        all.find(({ method }) => method === name)?.values.megaflopsPerImage as number;
      const guided = RIVAL_METHODS.find(
        ({ name }) => name.startsWith(`${model}, guidance`) && name.endsWith('equal operations'),
      );
      const ratio = cost(guided!.name, rows) / cost(`${model} + OT`, readResults('table-1').rows);
      assert.ok(Math.abs(ratio - 1) < 0.03, `${model}: ${ratio}`); // a step more or less is 6 %
    }
  });

  it('arguments of a training are those that cer train takes', () => {
    const train = buildProgram().commands.find((command) => command.name() === 'train');
    const known = train?.options.map(({ long }) => long);
    for (const training of TRAININGS) {
      const given = trainingArguments(training, { profile: 'full', out: 'x' });
      for (const option of given.filter((word) => word.startsWith('--'))) assert.ok(known?.includes(option), option);
    }
    const tuned = TRAININGS.find(({ variant }) => variant.fineTune === 'coupled');
    const words = trainingArguments(tuned!, { profile: 'full', out: 'x' }).join(' ');
    assert.match(words, /--out x\/coupled-seed-1 --fine-tune coupled --from x\/seed-1/);
  });

  it('variants: a folder each, the same images for every size, the profile itself for the default', () => {
    const profile = trainingProfile('small');
    const variant = (fields: object) => variantSchema.parse(fields);
    assert.equal(variantProfile(profile, variant({})), profile);
    assert.equal(variantFolder(variant({ size: 'wide', seed: 3 }), 'c'), 'c/wide-seed-3');
    const wide = variantProfile(profile, variant({ size: 'wide' }));
    assert.deepEqual(wide.budgets, profile.budgets);
    assert.equal(wide.mar(10).encoderWidth, 128);
    assert.equal(variantProfile(profile, variant({ resolution: 64 })).ar(10).imageSize, 64);
    assert.throws(() => variantProfile(profile, variant({ size: 'wide', resolution: 64 })), /no preset|one of the two/);
  });

  it('rows follow the weights, also when a file changes while the process runs', () => {
    const folder = mkdtempSync(join(tmpdir(), 'cer-study-'));
    const inputs = () => refinementExperiment.inputs({ checkpoints: folder } as never);
    for (const name of ['vae', 'classifier', 'ar', 'mar', 'cdm'])
      writeFileSync(join(folder, `${name}.safetensors`), name);
    const first = inputs();
    assert.equal(inputs(), first);
    writeFileSync(join(folder, 'vae.safetensors'), 'eav');
    assert.notEqual(inputs(), first);
    writeFileSync(join(folder, 'vae.safetensors'), 'vae');
    assert.equal(inputs(), first);
    rmSync(folder, { recursive: true });
  });

  it('missing models are those without a file', () => {
    const folder = mkdtempSync(join(tmpdir(), 'cer-study-'));
    const training = { models: ['mar', 'ar'] as const, variant: variantSchema.parse({}) };
    writeFileSync(join(folder, 'ar.safetensors'), '');
    assert.deepEqual(missingModels({ ...training, models: [...training.models] }, folder), ['mar']);
    rmSync(folder, { recursive: true });
  });

  it('rows of a table come from the store, and tables are written and read back', () => {
    const folder = mkdtempSync(join(tmpdir(), 'cer-study-'));
    const table = { name: 'pair', methods: TABLES[0].methods.slice(0, 2) };
    const planned = planTable(table, { trainingSeeds: [1, 2], seeds: [0, 1], images: 100 });
    assert.equal(planned.plan.tasks.length, 8);
    const store = new RowStore(folder);
    assert.deepEqual(studyRows(planned, store), []);
    planned.plan.tasks.forEach((task) => {
      const { training } = task.configuration as { training: { seed: number } };
      const values = measuredRun({ fid: 10 * training.seed + task.seed + 1 / 3, conditionError: null });
      store.write({ ...task, status: 'done', values, seconds: 1 });
    });
    const rows = studyRows(planned, store);
    assert.deepEqual(
      rows.map(({ method, trainingSeed, seed }) => `${method} ${trainingSeed} ${seed}`),
      ['CDM 1 0', 'CDM 1 1', 'CDM 2 0', 'CDM 2 1', 'AR 1 0', 'AR 1 1', 'AR 2 0', 'AR 2 1'],
    );
    const path = saveResults('pair', rows, { command: 'cer study', processor: 'x', images: 100 }, folder);
    assert.equal(readFileSync(path, 'utf8').trim().split('\n').length, 8 + 2, 'a row a line');
    const read = readResults('pair', folder);
    assert.equal(read.rows[1].values.fid, 11.3333, 'six digits, of training 1 and sampling seed 1');
    assert.equal(read.rows.length, 8);
    assert.throws(() => readResults('other', folder), { name: 'MissingDependencyError' });
    const text = readFileSync(path, 'utf8');
    for (const damaged of [
      '{}',
      text.slice(0, -20),
      text.replace('11.3333', '11.3334'),
      text.replace('"pair"', '"other"'),
    ]) {
      writeFileSync(path, damaged);
      assert.throws(
        () => readResults('pair', folder),
        { name: 'FileFormatError', message: /pair\.json/ },
        damaged.slice(-40),
      );
    }
    writeFileSync(path, JSON.stringify(withChecksum({ ...JSON.parse(text), table: 'other' })));
    assert.throws(() => readResults('pair', folder), /table: /, 'a good checksum of something else');
    rmSync(folder, { recursive: true });
  });

  it('a row of the store without what a run measures is refused, and named', () => {
    const folder = mkdtempSync(join(tmpdir(), 'cer-study-'));
    const planned = planTable(
      { name: 'one', methods: TABLES[0].methods.slice(0, 1) },
      { trainingSeeds: [1], seeds: [0], images: 100 },
    );
    const store = new RowStore(folder);
    const { fid: _, ...values } = measuredRun({});
    store.write({ ...planned.plan.tasks[0], status: 'done', values, seconds: 1 });
    assert.throws(() => studyRows(planned, store), { name: 'InvalidInputError', message: /fid/ });
    rmSync(folder, { recursive: true });
  });

  it('a dry run of the study counts the time that the shipped trainings took, over the processes', () => {
    const folder = mkdtempSync(join(tmpdir(), 'cer-study-'));
    const recorded = TRAININGS.flatMap(({ models, variant }) =>
      models.map((model) => JSON.parse(readFileSync(join(variantFolder(variant), `${model}.json`), 'utf8')).seconds),
    );
    const { configuration, estimate } = dryRunStudy({
      size: 'full',
      checkpoints: folder,
      store: folder,
      tables: [],
      processes: 2,
    });
    assert.equal((configuration.trainings as string[]).length, TRAININGS.length);
    assert.equal(estimate.seconds, recorded.reduce((sum, seconds) => sum + seconds, 0) / 2);
    rmSync(folder, { recursive: true });
  });

  it('ablations are written and read back; rows of other weights or another plan are counted, not dropped in silence', () => {
    const folder = mkdtempSync(join(tmpdir(), 'cer-study-'));
    const { plan } = studyAblation('MAR');
    const store = new RowStore(folder);
    const [first, second] = plan.tasks;
    for (const task of [first, second]) {
      store.write({ ...task, status: 'done', values: measuredRun({ fid: 7 + task.seed }), seconds: 2 });
    }
    const path = saveAblation('MAR', store, folder);
    const { rows, unmatched, model } = readAblation('MAR', folder);
    assert.deepEqual([model, rows.length, unmatched], ['MAR', 2, 0]);
    assert.deepEqual([rows[0].key, rows[0].seed, rows[0].values.fid, rows[0].seconds], [first.key, 0, 7, 2]);
    const file = JSON.parse(readFileSync(path, 'utf8'));
    file.rows[1].key = 'of other weights';
    writeFileSync(path, JSON.stringify(withChecksum(file)));
    const other = readAblation('MAR', folder);
    assert.deepEqual([other.rows.length, other.unmatched], [1, 1]);
    assert.throws(() => readAblation('AR', folder), { name: 'MissingDependencyError' });
    rmSync(folder, { recursive: true });
  });

  it('the shipped ablations are whole, and of the shipped weights', () => {
    for (const model of ABLATED) {
      const { plan, rows, unmatched } = readAblation(model);
      assert.deepEqual([rows.length, unmatched], [plan.tasks.length, 0], model);
      assert.deepEqual(plan.tasks, studyAblation(model).plan.tasks, model);
    }
  });
});
