import { strict as assert } from 'node:assert';
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as notebooks from '../../src/cli/verbs/notebooks';
import { findNotebooks } from '../../src/reproduce/batch';
import { codeCells, type Notebook, readNotebook, strip, writeNotebook } from '../../src/reproduce/document';
import { projectRoot } from '../../src/reproduce/jupyter';
import { notebookOf } from '../generators/notebooks';
import { runVerb } from './run-verb';

describe('cer notebooks', function () {
  this.timeout(600_000); // two kernels run the tour at the smoke profile: 15 s, much more on a machine with other work
  const folder = mkdtempSync(join(tmpdir(), 'cer-notebooks-'));
  const file = (name: string) => join(folder, `${name}.ipynb`);
  const tour = findNotebooks(['00-tour'])[0];
  const { exitCode } = process;
  const results = process.env.CER_RESULTS;
  before(() => {
    process.env.CER_RESULTS = join(folder, 'results');
  });
  afterEach(() => {
    process.exitCode = exitCode;
  });
  after(() => {
    rmSync(folder, { recursive: true });
    if (results === undefined) delete process.env.CER_RESULTS;
    else process.env.CER_RESULTS = results;
  });

  it('--check is content with the project’s own, and says of another what keeps it from being committed', async () => {
    assert.match(await runVerb(notebooks, 'notebooks', '--check', '00-tour'), /^in order {6}00-tour$/);
    assert.equal(process.exitCode, exitCode);
    writeNotebook(file('bare'), notebookOf('1 + 1'));
    const [row] = JSON.parse(await runVerb(notebooks, 'notebooks', '--check', file('bare'), '--json'));
    assert.equal(row.notebook, 'bare');
    assert.ok(row.problems.includes('is not executed') && row.problems.includes('has no parameters cell'));
    assert.equal(process.exitCode, 1);
  });

  it('--strip leaves the code and the prose and nothing of a run, twice as once', async () => {
    copyFileSync(tour, file('stripped'));
    await runVerb(notebooks, 'notebooks', '--strip', file('stripped'));
    const once = readFileSync(file('stripped'), 'utf8');
    const cells = codeCells(readNotebook(file('stripped')));
    assert.ok(
      cells.length > 5 && cells.every(({ outputs, execution_count: n }) => outputs!.length === 0 && n === null),
    );
    const without = (notebook: Notebook) => ({ ...strip(notebook), metadata: {} });
    assert.deepEqual(without(readNotebook(file('stripped'))), without(readNotebook(tour)));
    await runVerb(notebooks, 'notebooks', '--strip', file('stripped'));
    assert.equal(readFileSync(file('stripped'), 'utf8'), once);
  });

  it('--execute of an unchanged notebook, in two kernels at a time, gives the same file byte for byte', async function () {
    if (!require(join(projectRoot, 'scripts', 'find-jupyter.cjs')).findJupyter()) {
      console.log('skipped: no Jupyter, which executes the notebooks');
      return this.skip();
    }
    for (const name of ['first', 'second']) writeNotebook(file(name), strip(readNotebook(tour)));
    const both = [file('first'), file('second')];
    const said = await runVerb(
      notebooks,
      'notebooks',
      '--execute',
      '--check',
      '--profile',
      'smoke',
      '--json',
      '--parallel',
      '2',
      ...both,
    );
    const rows = JSON.parse(said) as { status: string; problems: string[] }[];
    assert.deepEqual(
      rows.map(({ status }) => status),
      ['done', 'done'],
    );
    for (const { problems } of rows) assert.deepEqual(problems, ['was executed with profile smoke, not small']);
    assert.equal(readFileSync(file('first'), 'utf8'), readFileSync(file('second'), 'utf8'));
  });
});
