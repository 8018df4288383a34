import { strict as assert } from 'node:assert';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { withChecksum } from '../../src/io/checksum';
import { provenance } from '../../src/measurements/training';
import type { Finding } from '../../src/reproduce/findings';
import { limitsSection, trainingRows } from '../../src/reproduce/limits';
import { writeReport } from '../../src/reproduce/report';
import { sweepSections } from '../../src/reproduce/sweeps';
import { reportSweep } from '../../src/sweep/report';
import { toyRows } from '../sweep/analysis/support';

const finding = (profile: string): Finding => ({
  experiment: 'table-1',
  notebook: '11-results',
  profile,
  summary: [
    { claim: 'a', ours: '1', error: '± 1', paper: '2', verdict: 'undecided', note: 'one training seed' },
    { claim: 'b', ours: '1', error: '± 1', paper: '2', verdict: 'analogue', note: 'one training seed' },
  ],
  tables: { runs: [{ seed: 0 }, { seed: 1 }, { seed: 0 }] },
  figures: [],
});

describe('parts of the report', function () {
  this.timeout(120_000);
  const folder = mkdtempSync(join(tmpdir(), 'cer-report-'));
  after(() => rmSync(folder, { recursive: true }));

  it('limits: trainings from provenance, seeds from the tables, remarks once, and what is known not to work', () => {
    const checkpoints = join(folder, 'checkpoints');
    mkdirSync(join(checkpoints, 'seed-1'), { recursive: true });
    const data = { images: 120, size: 32, classes: ['a', 'b'] };
    const write = (at: string, model: string, seed: number) =>
      writeFileSync(join(checkpoints, at), JSON.stringify({ model, seed, data, parameters: 9, steps: 7 }));
    write('mar.json', 'mar', 0);
    write('seed-1/mar.json', 'mar', 1);
    mkdirSync(join(checkpoints, 'narrow-seed-1'));
    write('narrow-seed-1/mar.json', 'mar', 1);
    write('vae.json', 'vae', 0);
    writeFileSync(join(checkpoints, 'other.json'), '[1]');
    assert.deepEqual(
      trainingRows(checkpoints).trainings.map((row) => [row.model, row['training seeds'], row['training images']]),
      [
        ['mar', 2, 120],
        ['mar, narrow', 1, 120],
        ['vae', 1, 120],
      ],
    );
    const known = '# What does not\n\nSee [a page](page.md) and [the web](https://example.org).';
    const html = limitsSection({ profile: 'small', findings: [finding('small')], checkpoints, known }).text;
    assert.match(html, /Of 2 recorded claims 1 are undecided, and 1 are analogues/);
    assert.match(html, /Trained once: mar, narrow; vae\./);
    assert.match(html, /<td>table-1<\/td>\s*<td>runs<\/td>\s*<td>2 seeds<\/td>/);
    assert.equal(html.split('one training seed').length, 2);
    assert.match(html, /<h2>What does not<\/h2>\s*<p>See a page and <a href="https:\/\/example.org">/);
    assert.match(
      limitsSection({ profile: 'full', findings: [finding('small')] }).text,
      /results are older, of the profile small/,
    );
  });

  it('limits: provenance that changed, or of other weights, is left out and named', () => {
    const checkpoints = join(folder, 'changed');
    const data = { images: 120, size: 32, classes: ['a', 'b'] };
    mkdirSync(checkpoints);
    const whole = withChecksum({ model: 'mar', seed: 0, data, parameters: 9, steps: 7, weights: 'x' });
    writeFileSync(join(checkpoints, 'mar.json'), JSON.stringify({ ...whole, steps: 700 }));
    assert.deepEqual(trainingRows(checkpoints).trainings, []);
    const html = limitsSection({ profile: 'small', findings: [], checkpoints, known: '' }).text;
    assert.match(html, /Left out: .*mar\.json: got content with checksum/);
    assert.throws(() => provenance(checkpoints), { name: 'FileFormatError' });
    writeFileSync(join(checkpoints, 'mar.json'), 'null');
    assert.throws(() => provenance(checkpoints), {
      name: 'FileFormatError',
      message: /got null; expected a JSON object/,
    });
    assert.equal(provenance('data/checkpoints').length, 5);
  });

  it('the shipped page of limits is in it', () => {
    const html = limitsSection({ profile: 'small', findings: [] }).text;
    for (const [, heading] of readFileSync('docs/what-does-not-work.md', 'utf8').matchAll(/^\*\*(.+?)\*\*/gm)) {
      assert.ok(html.includes(`<strong>${heading.replace(/`.*/, '').replace(/'/g, '&#39;')}`), heading);
    }
  });

  it('sweeps of the results folder, and of folders in it, are sections with their tables and figures', async () => {
    const results = join(folder, 'results');
    const { plan, rows } = await toyRows({ oneAtATime: { x: [1, 3] }, seeds: [0, 1] });
    await reportSweep(plan, rows, join(results, 'ablation', 'toy'), { figures: true });
    writeFileSync(join(results, 'ablation', 'foreign-report.json'), '{}');
    const sections = sweepSections(results);
    assert.deepEqual(
      sections.map(({ name }) => name),
      ['toy'],
    );
    assert.match(sections[0].html.text, /hurts \(1\)/);
    assert.match(sections[0].html.text, /<td>x = 3<\/td>/);
    assert.equal(sections[0].html.text.match(/id="cer-figure-sweep-0-/g)!.length, 4);
    const path = writeReport({ profile: 'small', results, notebooks: [], findings: [finding('small')] } as never);
    const page = readFileSync(path, 'utf8');
    for (const part of ['<a href="#sweep-0">', '<a href="#limits">', 'id="sweep-0"', 'id="limits"']) {
      assert.ok(page.includes(part), part);
    }
    assert.deepEqual(sweepSections(join(folder, 'none')), []);
  });
});
