import { strict as assert } from 'node:assert';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { saveResults } from '../../src/study/results';
import { readmeResults, resultsPage, studySummary } from '../../src/study/results-page';
import type { StudyRow } from '../../src/study/rows';
import { measuredRun } from './support';

const rows = (method: string, fids: number[]): StudyRow[] =>
  fids.map((fid, i) => ({
    method,
    trainingSeed: i + 1,
    seed: 0,
    values: measuredRun({ fid, recall: 0.5, classAccuracy: 0.5 }),
  }));

describe('study/results-page', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'cer-results-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  it('says nothing where nothing was computed', () => {
    assert.deepEqual(studySummary(folder), []);
    assert.equal(readmeResults(folder), '');
  });

  it('puts what does not replicate first, rivals included, and leaves out tables that are not there', () => {
    const how = { command: 'cer study', processor: 'x', images: 100 };
    const table1 = [
      ...rows('CDM', [50, 51, 52]),
      ...rows('AR', [20, 21, 22]),
      ...rows('AR + OT', [15, 16, 17.1]),
      ...rows('MAR', [30, 31, 32]),
      ...rows('MAR + OT', [30.5, 30.4, 32]),
    ];
    saveResults('table-1', table1, how, folder);
    saveResults('rivals', rows('AR + nearest neighbour', [14, 15, 16]), how, folder);
    const summary = studySummary(folder);
    assert.deepEqual(
      summary.map(({ verdict }) => verdict),
      ['fails', 'fails', 'undecided', 'holds', 'holds'],
    );
    assert.match(summary.map(({ claim }) => claim).join(), /AR \+ OT against AR \+ nearest neighbour/);
    assert.match(readmeResults(folder), /^\| claim \|/);
    const page = resultsPage(folder);
    assert.match(page, /## Rivals/);
    assert.match(page, /### Head to head/);
    assert.ok(!page.includes('## Controls') && !page.includes('## Table 2'));
  });
});
