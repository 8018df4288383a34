import { strict as assert } from 'node:assert';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as ablate from '../../src/cli/verbs/ablate';
import * as sweep from '../../src/cli/verbs/sweep';
import { ablationSweep, REFINEMENT_KNOBS } from '../../src/study/knobs';
import { RowStore } from '../../src/sweep/store';
import { planSweep } from '../sweep/support';
import { runVerb } from './run-verb';

describe('cer ablate', () => {
  const folder = mkdtempSync(join(tmpdir(), 'cer-ablate-'));
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('a dry run counts rows, estimates time, and writes no sweep', async () => {
    const out = join(folder, 'dry');
    const text = await runVerb(ablate, 'ablate', '--out', out, '--seeds', '3', '--dry-run', '--json');
    const estimate = JSON.parse(text);
    const { points, tasks } = planSweep(ablationSweep({ model: 'AR', seeds: 3 }));
    assert.deepEqual([estimate.configurations, estimate.rows, estimate.present], [points.length, tasks.length, 0]);
    assert.ok(estimate.seconds > 0);
    assert.equal(existsSync(join(out, 'ablation-AR.json')), false);
  });

  it('writes the sweep that it runs; `cer sweep` finds the same rows; an edited one is moved aside, not lost', async () => {
    const out = join(folder, 'made');
    const options = ['--model', 'MAR', '--knobs', 'epsilon', '--seeds', '2', '--images', '100', '--out', out];
    // Rows as if they had been made, so that nothing has to run here.
    const plan = planSweep(ablationSweep({ model: 'MAR', knobs: ['epsilon'], seeds: 2, images: 100 }));
    const store = new RowStore(out);
    plan.tasks.forEach((task, i) => {
      const values = { fid: 10 + (i % 2) + i / 10, secondsPerImage: 0.01 * i };
      store.write({ ...task, status: 'done', values, seconds: 1 });
    });
    const text = await runVerb(ablate, 'ablate', ...options, '--no-figures');
    assert.match(text, /refinement: 7 points, 2 seeds; FID/);
    assert.match(text, /against the same with refinement\.method = none/);
    const file = join(out, 'ablation-MAR.json');
    const written = readFileSync(file, 'utf8');
    assert.deepEqual(planSweep(JSON.parse(written)).tasks, plan.tasks);
    const again = JSON.parse(await runVerb(sweep, 'sweep', file, '--out', out, '--no-figures', '--json'));
    assert.equal(again.length, 14);
    assert.ok(existsSync(join(out, 'ablation-MAR-summary.csv')) && existsSync(join(out, 'ablation-MAR.md')));
    writeFileSync(file, '{ "mine": true }');
    await runVerb(ablate, 'ablate', ...options, '--no-figures');
    assert.equal(readFileSync(file, 'utf8'), written);
    assert.equal(readFileSync(join(out, 'ablation-MAR.previous.json'), 'utf8'), '{ "mine": true }');
  });

  it('refuses unknown knobs with the nearest name, and odd numbers of images', async () => {
    await assert.rejects(runVerb(ablate, 'ablate', '--knobs', 'epsilom', '--dry-run'), /Did you mean epsilon\?/);
    await assert.rejects(runVerb(ablate, 'ablate', '--images', '55', '--dry-run', '--out', folder), /images.*10/s);
  });

  it('help names every knob', () => {
    const { Command } = require('commander') as typeof import('commander');
    const program = new Command();
    ablate.register(program);
    let text = '';
    const [command] = program.commands;
    command.configureOutput({ writeOut: (part) => (text += part) });
    command.outputHelp();
    for (const { name, description } of REFINEMENT_KNOBS)
      assert.ok(text.includes(name) && text.includes(description), name);
  });
});
