import { strict as assert } from 'node:assert';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { readNotebook, writeNotebook } from '../../src/reproduce/document';
import { importedModules, notebookFingerprints } from '../../src/reproduce/fingerprint';
import { projectRoot } from '../../src/reproduce/jupyter';
import { notebookOf } from '../generators/notebooks';

describe('cer reproduce', function () {
  this.timeout(240_000); // three kernels, each 3 s and much more on a machine with other work
  let folder: string;
  let results: string;
  before(function () {
    if (!require(join(projectRoot, 'scripts', 'find-jupyter.cjs')).findJupyter()) {
      console.log('skipped: no Jupyter, which executes the notebooks');
      this.skip();
    }
    folder = mkdtempSync(join(tmpdir(), 'cer-reproduce-'));
    results = join(folder, 'results');
    const row = "{ claim: 'One is one', ours: '1', error: '0.1', paper: '1', verdict: 'holds' }";
    save(
      '01-good',
      "import { record } from './src/notebook';",
      `record('one', { table: [{ a: 1 }], summary: [${row}] });`,
    );
    save('02-bad', 'const x = 1;', "throw new RangeError('x is too small');");
    save(
      '03-slow',
      "import { note } from './src/notebook';\nnote('started');",
      'await new Promise((end) => setTimeout(end, 60_000));',
    );
  });
  after(() => folder && rmSync(folder, { recursive: true }));

  interface Report {
    notebooks: { notebook: string; status: string; cells: number; failedCell?: number; error?: string }[];
    findings: { notebook: string }[];
  }
  const save = (name: string, ...cells: string[]) => writeNotebook(join(folder, `${name}.ipynb`), notebookOf(...cells));

  /** Runs `cer reproduce` on notebooks of the folder; interrupts it when `stopAt` appears in its progress. */
  function run(names: string[], stopAt?: RegExp) {
    const files = names.map((name) => join(folder, `${name}.ipynb`));
    const cer = join(projectRoot, 'bin', 'cer.cjs');
    const child = spawn(process.execPath, [
      cer,
      'reproduce',
      '--profile',
      'smoke',
      '--results',
      results,
      '--json',
      '--only',
      ...files,
    ]);
    let stdout = '';
    let stderr = '';
    let stopped = false;
    child.stdout.on('data', (text) => (stdout += text));
    child.stderr.on('data', (text) => {
      stderr += text;
      if (!stopped && stopAt?.test(stderr)) stopped = child.kill('SIGINT'); // a second one would end it at once
    });
    return new Promise<{ code: number | null; json: Report; stderr: string }>((resolve) =>
      child.on('close', (code) => resolve({ code, json: JSON.parse(stdout), stderr })),
    );
  }

  it('goes on after a failed notebook, names its cell and error, and fails at the end', async () => {
    const { code, json, stderr } = await run(['01-good', '02-bad']);
    assert.equal(code, 1, stderr);
    const [good, bad] = json.notebooks;
    assert.deepEqual([good.notebook, good.status, good.cells], ['01-good', 'done', 2]);
    assert.deepEqual([bad.status, bad.failedCell, bad.error], ['failed', 2, 'RangeError: x is too small']);
    assert.match(stderr, /done {4}01-good {2}2 cells/);
    assert.match(stderr, /FAILED {2}02-bad {2}cell 2\/2[^\n]*\n {8}RangeError: x is too small/);
    assert.deepEqual(
      json.findings.map(({ notebook }) => notebook),
      ['01-good'],
    );
  });

  it('writes one report without any address to load from, and every result', () => {
    const report = readFileSync(join(results, 'report.html'), 'utf8');
    const body = report.slice(report.indexOf('</head>'));
    assert.ok(!/(src|href)="(?!data:|#)/.test(body));
    assert.match(report, /<meta http-equiv="Content-Security-Policy" content="default-src 'none'/);
    assert.match(body, /02-bad failed/);
    assert.match(body, /RangeError.*x is too small/);
    for (const file of ['one.json', 'one.csv', 'summary.json', 'notebooks/01-good.ipynb', 'notebooks/02-bad.ipynb']) {
      assert.ok(existsSync(join(results, file)), file);
    }
  });

  it('interrupted, keeps what is finished and reuses it', async () => {
    const finished = JSON.parse(readFileSync(join(results, '.finished', '01-good.json'), 'utf8'));
    const now = notebookFingerprints(projectRoot, 'smoke')(readNotebook(join(folder, '01-good.ipynb')));
    const kept = finished.fingerprint === now;
    if (!kept) console.log('not checked: reuse, as somebody edited the project between two runs of this test');
    const { code, json, stderr } = await run(['01-good', '03-slow'], /(reused {2}|done {4})01-good/);
    assert.equal(code, 130, stderr);
    const statuses = json.notebooks.map(({ notebook, status }) => `${notebook} ${status}`);
    assert.deepEqual(statuses, [`01-good ${kept ? 'reused' : 'done'}`, '03-slow interrupted']);
    assert.ok(existsSync(join(results, 'one.json')));
    assert.ok(!existsSync(join(results, 'notebooks', '03-slow.ipynb')));
  });

  it('depends on the modules that a notebook imports, directly or not, and on no other', () => {
    const modules = [...importedModules([join(projectRoot, 'src', 'notebook', 'index.ts')])];
    const names = modules.map((file) => relative(projectRoot, file).replace(/\\/g, '/'));
    assert.ok(names.includes('src/notebook/show.ts') && names.includes('src/runtime/errors.ts'));
    assert.ok(!names.some((name) => name.startsWith('src/transport/') || name.startsWith('src/cli/')));
    const fingerprint = notebookFingerprints(projectRoot, 'smoke');
    const of = (...cells: string[]) => fingerprint(notebookOf(...cells));
    assert.equal(of('1'), of('1'));
    assert.equal(
      new Set([of('1'), of('2'), of('1', '2'), notebookFingerprints(projectRoot, 'small')(notebookOf('1'))]).size,
      4,
    );
  });

  it('runs a notebook again when its code changed', async () => {
    save('01-good', '1 + 1;');
    const { code, json } = await run(['01-good']);
    assert.equal(code, 0);
    assert.deepEqual([json.notebooks[0].status, json.notebooks[0].cells], ['done', 1]);
    assert.ok(!existsSync(join(results, 'one.json'))); // what the old code recorded is gone
  });
});
