import { strict as assert } from 'node:assert';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { figureHtml } from '../../src/notebook/figure-html';
import type { SummaryRow } from '../../src/notebook/record';
import { figure } from '../../src/plots/figure';
import { findNotebooks } from '../../src/reproduce/batch';
import { checkNotebook } from '../../src/reproduce/check';
import { type Notebook, normalise, readNotebook, strip, writeNotebook } from '../../src/reproduce/document';
import { markdownToHtml } from '../../src/reproduce/markdown';
import { leadParagraph } from '../../src/reproduce/report';

const code = (id: string, source: string, count: number | null, outputs: object[] = []) => ({
  cell_type: 'code' as const,
  id,
  metadata: {},
  source,
  execution_count: count,
  outputs,
});

const good = (): Notebook =>
  normalise(
    {
      nbformat: 4,
      nbformat_minor: 5,
      metadata: { kernelspec: { name: 'cer' } },
      cells: [
        { cell_type: 'markdown', id: 'a', metadata: {}, source: ['# Title\n', 'Claim.'] },
        code('b', 'const P = parameters({ n: 1 });', 1, [
          { output_type: 'stream', name: 'stdout', text: 'one\ntw' },
          { output_type: 'stream', name: 'stdout', text: 'o\n' },
        ]),
        code('c', 'record("x", {});', 2),
      ],
    } as Notebook,
    'small',
  );

describe('reproduce/document and check', () => {
  it('finds a good notebook in order, and each way of spoiling it not', () => {
    assert.deepEqual(checkNotebook(good()), []);
    const spoilt: [RegExp, (notebook: Notebook) => void][] = [
      [/not executed$/, (n) => n.cells.forEach((cell) => (cell.execution_count = null))],
      [/code changed after/, (n) => (n.cells[1].source = 'const P = parameters({ n: 2 });')],
      [/profile smoke/, (n) => (n.metadata.cer!.profile = 'smoke')],
      [/not executed in its turn/, (n) => (n.cells[2].execution_count = 7)],
      [
        /cell 1 failed: Error: no/,
        (n) => n.cells[1].outputs!.push({ output_type: 'error', ename: 'Error', evalue: 'no' }),
      ],
      [/not 4\.5/, (n) => (n.nbformat_minor = 4)],
      [/kernel is not cer/, (n) => (n.metadata.kernelspec!.name = 'python3')],
      [/id of their own/, (n) => (n.cells[1].id = 'a')],
      [/begin with a title/, (n) => n.cells.shift()],
      [/no parameters cell/, (n) => n.cells.splice(1, 1)],
      [/says nothing/, (n) => (n.cells[2].source = '1 + 1')],
      [/line of 141 characters, more than 140/, (n) => (n.cells[2].source = `note("${'x'.repeat(133)}")`)],
      [/21 lines, more than 20/, (n) => (n.cells[2].source = `${'\n1'.repeat(20)}\nnote("")`)],
      [
        /path of one machine: \/home\/me/,
        (n) => (n.cells[1].outputs = [{ output_type: 'stream', text: 'in /home/me/x' }]),
      ],
      [
        /figure without a picture/,
        (n) =>
          (n.cells[1].outputs = [{ output_type: 'display_data', data: { 'text/html': '<div class="cer-figure">' } }]),
      ],
    ];
    for (const [message, spoil] of spoilt) {
      const notebook = good();
      spoil(notebook);
      assert.ok(
        checkNotebook(notebook).some((problem) => message.test(problem)),
        String(message),
      );
    }
  });

  it('joins what was printed in chunks, and strips back to the bare notebook', () => {
    assert.deepEqual(good().cells[1].outputs, [{ output_type: 'stream', name: 'stdout', text: ['one\n', 'two\n'] }]);
    const bare = strip(good());
    assert.ok(bare.cells.slice(1).every((cell) => cell.outputs!.length === 0 && cell.execution_count === null));
    assert.equal(bare.metadata.cer, undefined);
    assert.deepEqual(normalise(normalise(good(), 'small'), 'small'), good());
  });

  it('is written and read back the same, and says which file is none', () => {
    const folder = mkdtempSync(join(tmpdir(), 'cer-notebook-'));
    const path = join(folder, 'n.ipynb');
    writeNotebook(path, good());
    assert.deepEqual(readNotebook(path), good());
    assert.throws(() => readNotebook(join(folder, 'none.ipynb')), /none\.ipynb.*expected a Jupyter notebook/);
    assert.throws(() => findNotebooks(['no-such-notebook']), /got no-such-notebook; expected a file, or one of/);
    rmSync(folder, { recursive: true });
  });
});

describe('notebook/figure-html and the report', () => {
  it('holds the figure safely: no tag of a title or label ends the script', () => {
    const text = '</script><b>';
    const html = figureHtml(
      figure([{ type: 'scatter', x: [1], y: [2], name: text }], { title: text, x: '', y: '' }),
      undefined,
      '1',
    ).text;
    assert.equal(html.match(/<\/script>/g)!.length, 1);
    assert.ok(html.endsWith('</script>'));
    const again = figureHtml(
      figure([{ type: 'scatter', x: [1], y: [2], name: text }], { title: text, x: '', y: '' }),
      undefined,
      '1',
    ).text;
    assert.equal(html, again);
  });

  it('draws formulas as MathML and leaves code and prices alone', () => {
    const html = markdownToHtml('Let $x_i^2$ and $y_j$: `$z$` costs $5 or $6.\n\n$$\\rho^k$$').text;
    assert.equal(html.match(/<math/g)!.length, 3);
    assert.ok(html.includes('<code>$z$</code>') && html.includes('$5 or $6'));
    assert.ok(!html.includes('<em>'));
    assert.ok(markdownToHtml('$\\nosuchmacro{$').text.includes('<code>\\nosuchmacro{</code>'));
  });

  it('says first what does not replicate', () => {
    const row = (claim: string, verdict: SummaryRow['verdict']) => ({
      claim,
      ours: '1',
      error: '0.1',
      paper: '2',
      verdict,
    });
    const finding = (summary: SummaryRow[]) => [
      { experiment: 'e', profile: 'small', summary, tables: {}, figures: [] },
    ];
    const lead = leadParagraph(
      'small',
      [],
      finding([row('A', 'holds'), row('B', 'fails'), row('C', 'undecided'), row('D', 'analogue')]),
    ).text;
    assert.match(
      lead,
      /^<p class="lead"><strong>What does not replicate:<\/strong> B \(ours 1 ± 0\.1, the paper 2\)\./,
    );
    assert.match(lead, /Undecided.*C.*Of 4 claims, 1 hold.*1 are analogues/);
    const failed = { notebook: '09-refinement', status: 'failed' as const, seconds: 1, cells: 2 };
    assert.match(leadParagraph('small', [failed], []).text, /no claim was recorded.*Not everything ran.*09-refinement/);
  });
});
