import { strict as assert } from 'node:assert';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromiumPath } from '../../src/plots/render';
import { readNotebook, textOf, writeNotebook } from '../../src/reproduce/document';
import { executeNotebook } from '../../src/reproduce/execute';
import { type Jupyter, projectRoot } from '../../src/reproduce/jupyter';
import { notebookOf } from '../generators/notebooks';

const jupyter = require(join(projectRoot, 'scripts', 'find-jupyter.cjs')).findJupyter() as Jupyter | undefined;

describe('the kernel', function () {
  this.timeout(180_000); // a kernel starts in 3 s, in much more on a machine with other work
  let folder: string;
  before(function () {
    if (!jupyter) {
      console.log('skipped: no Jupyter, which runs the kernel');
      this.skip();
    }
    folder = mkdtempSync(join(tmpdir(), 'cer-kernel-'));
  });
  after(() => folder && rmSync(folder, { recursive: true }));

  let count = 0;
  async function execute(...sources: string[]) {
    const path = join(folder, `test-${count++}.ipynb`);
    writeNotebook(path, notebookOf(...sources));
    const outcome = await executeNotebook(path, path, {
      jupyter: jupyter!,
      profile: 'smoke',
      environment: { CER_RESULTS: folder, CER_PARAMETERS: '' },
    });
    return { outcome, cells: readNotebook(path).cells };
  }

  it('runs the project’s modules, zod, danfo.js and tfjs, shows each kind of output, and prints no promise', async () => {
    const { outcome, cells } = await execute(
      `import { figure } from './src/plots/figure';
       import { note, parameters, progress, show, table } from './src/notebook';
       import { useBackend } from './src/runtime/backend';
       import { key, normal } from './src/runtime/random';
       import { parseOptions } from './src/runtime/options';
       import { z } from 'zod';
       import * as danfo from 'danfojs-node';
       import * as tf from '@tensorflow/tfjs';`,
      'const P = parameters({ n: 3 }, { smoke: { n: 4 } });',
      `await useBackend('cpu');
       const drawn: number[] = Array.from(normal(key(P.n), 4));
       const total = tf.tensor(drawn).square().sum().dataSync()[0];
       console.log(parseOptions('test', z.object({ n: z.number() }), { n: P.n }).n, new danfo.DataFrame(drawn).shape[0], total > 0);`,
      "show(figure([{ type: 'scatter', x: [1, 2], y: [3, 4] }], { title: 'A line', x: 'x', y: 'y' }));",
      `table([{ a: 1 }]);
       const bar = progress('steps', 2); bar.update(1); bar.done();
       note('found **it**');`,
    );
    assert.equal(outcome.error, undefined);
    assert.deepEqual([outcome.status, outcome.of], ['done', 5]);
    assert.match(textOf(cells[1].outputs![0].data!['text/plain']), /n = 4 {2}\(profile smoke\)/);
    assert.equal(textOf(cells[2].outputs![0].text), '4 4 true\n');
    const [figure, ...more] = cells[3].outputs!;
    assert.deepEqual(more, []);
    assert.equal('image/png' in figure.data!, Boolean(chromiumPath()));
    assert.match(textOf(figure.data!['text/html']), /^<div id="cer-figure-1-[0-9a-f]{10}" class="cer-figure"/);
    const kinds = cells[4].outputs!.map(({ data }) => Object.keys(data!)[0]);
    assert.deepEqual(kinds, ['text/html', 'text/html', 'text/markdown']);
    assert.equal(textOf(cells[4].outputs![1].data!['text/plain']), 'steps: 2/2'); // the bar's last state alone
  });

  it('says a failure as a Jupyter error with its own text and place, and stops there', async () => {
    const { outcome, cells } = await execute(
      "import { table } from './src/notebook';\nfunction inner(rows: object[]) {\n  table(rows);\n}",
      'inner([]);',
      "console.log('not reached');",
    );
    assert.deepEqual([outcome.status, outcome.cell, outcome.of], ['failed', 2, 3]);
    assert.match(outcome.error!, /^InvalidInputError: Table: got no rows/);
    const [error] = cells[1].outputs!;
    assert.equal(error.output_type, 'error');
    assert.match(
      error.traceback!.join('\n'),
      /toDataFrame \(src\/notebook\/data-frame\.ts:\d+:\d+\)[\s\S]*in the cell: inner\(\[\]\);/,
    );
    assert.deepEqual(cells[2].outputs, []);
  });

  it('fails a cell for a type error, and for a rejection that nobody awaited', async () => {
    const [typed, late] = await Promise.all([
      execute("import { foldIn, key } from './src/runtime/random';", 'foldIn(key(1), true);'),
      execute("const later = async () => { throw new Error('nobody waits'); };\nlater();"),
    ]);
    assert.deepEqual([typed.outcome.status, typed.outcome.cell], ['failed', 2]);
    assert.match(typed.outcome.error!, /Argument of type 'boolean' is not assignable/);
    assert.match(late.outcome.error!, /^Error: nobody waits$/);
  });
});
