import { strict as assert } from 'node:assert';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Page } from 'playwright-core';
import { figureHtml } from '../../src/notebook/figure-html';
import { markdownTable } from '../../src/notebook/markdown-table';
import type { SummaryVerdict } from '../../src/notebook/record';
import { tableHtml } from '../../src/notebook/table-html';
import { figure } from '../../src/plots/figure';
import { closeRenderer } from '../../src/plots/render';
import { writeNotebook } from '../../src/reproduce/document';
import { type Finding, forgetFindings, type NotebookResult, readFindings } from '../../src/reproduce/findings';
import { markdownToHtml } from '../../src/reproduce/markdown';
import { writeReport } from '../../src/reproduce/report';
import { sweepSections } from '../../src/reproduce/sweeps';
import { FileFormatError } from '../../src/runtime/errors';
import { openChromium } from '../explore/browser';
import { notebookOf } from '../generators/notebooks';

describe('a results folder that somebody else wrote', function () {
  this.timeout(60_000); // a Chromium starts
  const outer = mkdtempSync(join(tmpdir(), 'cer-hostile-'));
  const results = join(outer, 'results');
  const victim = join(outer, 'victim.txt');
  const save = (name: string, content: unknown) => writeFileSync(join(results, name), JSON.stringify(content));
  const finding = (parts: Partial<Finding>): Finding => ({
    experiment: 'one',
    notebook: '01-good',
    profile: 'small',
    summary: [],
    tables: {},
    figures: [],
    ...parts,
  });
  beforeEach(() => {
    rmSync(results, { recursive: true, force: true });
    mkdirSync(results, { recursive: true });
    writeFileSync(victim, '{"data": [], "layout": {"title": "secret"}}');
  });
  after(async () => {
    await closeRenderer();
    rmSync(outer, { recursive: true });
  });

  for (const [what, hostile] of Object.entries<Partial<Finding>>({
    figures: { figures: ['../victim.txt'] },
    'figures by an absolute path': { figures: [victim] },
    tables: { tables: { '/../../victim': [] } },
    'experiment and tables': { experiment: '../victim', tables: { '../victim': [] } },
  })) {
    it(`deletes nothing outside through the names of ${what}, nor anything else then`, () => {
      if (what.includes('experiment')) writeFileSync(join(outer, 'victim.csv'), '');
      else if (what === 'tables') writeFileSync(join(outer, 'victim.csv'), '');
      save('one.json', finding(hostile));
      assert.throws(() => forgetFindings(results, '01-good'), FileFormatError);
      for (const path of [victim, join(results, 'one.json')]) assert.ok(existsSync(path), path);
    });
  }

  it('forgets what a notebook recorded, and nothing of another', () => {
    save('one.json', finding({ tables: { one: [], more: [] }, figures: ['one-a.png'] }));
    save('two.json', finding({ experiment: 'two', notebook: '02-other' }));
    for (const name of ['one.csv', 'one-more.csv', 'one-a.png', 'else.csv']) writeFileSync(join(results, name), '');
    forgetFindings(results, '01-good');
    for (const name of ['one.json', 'one.csv', 'one-more.csv', 'one-a.png'])
      assert.ok(!existsSync(join(results, name)));
    for (const name of ['two.json', 'else.csv']) assert.ok(existsSync(join(results, name)));
  });

  const sweep = { sweep: 's', description: 'd', seeds: [0], text: 't', tables: {}, figures: [] as object[] };

  it('shows no file from outside in the section of a sweep', () => {
    writeFileSync(join(results, 'figure.json'), '{"data": [], "layout": {}}');
    for (const files of [{ json: '../victim.txt' }, { json: 'figure.json', png: '../victim.txt' }]) {
      save('s-report.json', { ...sweep, figures: [files] });
      assert.throws(() => sweepSections(results), /inside/);
    }
    save('s-report.json', { ...sweep, figures: [{ json: 'figure.json' }] });
    assert.match(sweepSections(results)[0].html.text, /class="cer-figure"/);
  });

  it('names the file that is damaged or of another kind', () => {
    writeFileSync(join(results, 'one.json'), '{"experiment": "on');
    assert.throws(
      () => readFindings(results),
      (error: Error) => error instanceof FileFormatError && /one\.json/.test(error.message),
    );
    save(
      'one.json',
      finding({ summary: [{ claim: 'c', ours: '1', error: '', paper: '', verdict: 'maybe' as SummaryVerdict }] }),
    );
    assert.throws(() => readFindings(results), /one\.json: got summary\.0\.verdict/);
    rmSync(join(results, 'one.json'));
    save('s-report.json', { ...sweep, seeds: '<b>' });
    assert.throws(() => sweepSections(results), /s-report\.json: got seeds/);
    save('s-report.json', [1]);
    mkdirSync(join(results, 'folder.json'));
    assert.deepEqual([readFindings(results), sweepSections(results)], [[], []]);
  });

  /** Text that runs when it becomes a tag, an attribute, the end of a script or a link; `hit` says which. */
  const attack = (name: string) =>
    `</script></textarea>"'><script>hit("${name}")</script><img src=x onerror='hit("${name}")'>` +
    `[l](javascript:hit("${name}"))![i](javascript:hit("${name}")) \`<svg onload=hit("${name}")>\` $\\href{javascript:hit("${name}")}{x}$`;

  /** A page of results with an attack in every field that holds text. */
  function attackedReport(): string {
    const text = attack('html');
    const row = { claim: attack('claim'), ours: attack('ours'), error: attack('error'), paper: attack('paper') };
    const bad = attack('verdict') as SummaryVerdict; // `readFindings` refuses it; the page holds without that
    const verdicts: SummaryVerdict[] = ['fails', 'undecided', 'assumption violated', 'holds', 'analogue', bad];
    const findings = verdicts.map((verdict) =>
      finding({
        experiment: attack('experiment'),
        notebook: attack('notebook'),
        profile: attack('profile'),
        summary: [{ ...row, verdict, note: attack('note') }],
        tables: { [attack('table')]: [{ over: attack('over'), seed: 1 }] },
      }),
    );
    mkdirSync(join(results, 'notebooks'));
    const notebook = notebookOf('1');
    const output = (data: Record<string, string>) => ({ output_type: 'display_data' as const, data });
    notebook.cells[0].source = attack('code');
    notebook.cells[0].outputs = [
      { output_type: 'stream', name: 'stdout', text: attack('stream') },
      { output_type: 'error', ename: attack('ename'), evalue: attack('evalue') },
      output({ 'text/markdown': attack('note output') }),
      output({ 'text/plain': attack('plain output') }),
      output({ 'image/png': attack('picture') }),
      output({ 'text/html': tableHtml([{ name: text, numeric: true, paper: false }], [[text]], text).text }),
    ];
    notebook.cells.push({ cell_type: 'markdown', metadata: {}, source: attack('markdown cell') });
    writeNotebook(join(results, 'notebooks', "it's.ipynb"), notebook);
    const layout = { width: attack('width'), height: attack('height'), title: { text: attack('title') } };
    save('figure.json', { data: [{ type: 'scatter', x: [1], y: [1], name: attack('trace') }], layout });
    writeFileSync(join(results, 'figure.png'), 'x');
    const page = [{ [attack('column')]: attack('cell'), n: 1 }];
    const table = { title: attack('table title'), note: attack('table note'), page };
    const texts = { sweep: attack('sweep'), description: attack('description'), text: attack('text') };
    const figures = [{ json: 'figure.json', png: 'figure.png' }];
    save('s-report.json', { ...sweep, ...texts, tables: { [attack('name')]: table }, figures });
    const failed: NotebookResult = {
      notebook: attack('notebook'),
      status: 'failed',
      seconds: 1,
      cells: 1,
      failedCell: 1,
    };
    const notebooks: NotebookResult[] = [
      { ...failed, error: attack('failure') },
      { notebook: "it's", status: 'reused', seconds: 1, cells: attack('cells') as unknown as number },
    ];
    return writeReport({ profile: attack('profile'), results, notebooks, findings });
  }

  /** The attacks that run on a page, once everything on it was loaded, shown and clicked. */
  async function hits(page: Page, file: string): Promise<string[]> {
    const found: string[] = [];
    await page.exposeFunction('hit', (name: string) => found.push(name));
    await page.goto(pathToFileURL(file).href);
    await page.evaluate(() => {
      document.querySelectorAll('details').forEach((details) => details.setAttribute('open', ''));
      document.querySelectorAll('a').forEach((link) => link.click());
      document.querySelectorAll('.cer-figure').forEach((box) => box.scrollIntoView());
    });
    await page.waitForTimeout(500);
    return [...new Set(found)];
  }

  it('runs no script of its texts in report.html, even where a browser has no policy', async function () {
    const path = attackedReport();
    const browser = await openChromium();
    if (!browser) return this.skip();
    try {
      const page = await browser.newPage({ bypassCSP: true });
      assert.deepEqual(await hits(page, path), []);
      assert.equal(await page.locator('[onerror], [onload], [href^="javascript"], script[src]').count(), 0);
    } finally {
      await browser.close();
    }
  });

  it('runs no script of a notebook’s output in report.html but figures and tables of this project', async function () {
    mkdirSync(join(results, 'notebooks'));
    const notebook = notebookOf('1');
    const own = figureHtml(
      figure([{ type: 'scatter', x: [1], y: [2] }], { title: 't })(', x: 'x', y: 'y' }),
      undefined,
      '1',
    );
    const sorted = tableHtml([{ name: 'n', numeric: true, paper: false }], [['2'], ['1']]);
    const foreign = own.text
      .replace('window.Plotly.newPlot', 'hit("changed");window.Plotly.newPlot')
      .replace('-1-', '-2-');
    const htmls = [own.text, sorted.text, foreign, attack('raw'), `<a href="javascript:hit('link')">l</a>`];
    notebook.cells[0].outputs = htmls.map((html) => ({ output_type: 'display_data', data: { 'text/html': html } }));
    writeNotebook(join(results, 'notebooks', 'n.ipynb'), notebook);
    const notebooks: NotebookResult[] = [{ notebook: 'n', status: 'reused', seconds: 1, cells: 1 }];
    const path = writeReport({ profile: 'small', results, notebooks, findings: [] });
    const browser = await openChromium();
    if (!browser) return this.skip();
    try {
      const page = await browser.newPage();
      assert.deepEqual(await hits(page, path), []);
      await page.locator('.js-plotly-plot').first().waitFor({ timeout: 20_000 });
      assert.equal(await page.locator('.js-plotly-plot').count(), 1);
      await page.locator('.cer-table th').click();
      assert.deepEqual(await page.locator('.cer-table td').allTextContents(), ['1', '2']);
    } finally {
      await browser.close();
    }
  });

  it('makes no tag of text in Markdown, whole or inline, nor in a table for a page of documentation', () => {
    const markdown = '<b>x</b> <!-- c --> [a](https://e.org "t") [b](page.md) ![c](https://e.org/i.png)';
    const link = '<a href="https://e.org">a</a> b c';
    const escaped = `&lt;b&gt;x&lt;/b&gt; &lt;!-- c --&gt; ${link}`;
    assert.equal(markdownToHtml(markdown, { inline: true }).text, escaped);
    assert.equal(markdownToHtml(markdown).text, `<p>${escaped}</p>\n`);
    assert.match(markdownToHtml('<script>\nx()\n</script>').text, /^&lt;script&gt;/);
    assert.match(
      markdownTable([{ '<i>': '<script>x()</script>', b: 'p < 0.1 | q' }]),
      /\| &lt;script>x\(\)&lt;\/script> \| p < 0\.1 \\\| q \|$/,
    );
    assert.ok(!readFileSync('docs/what-does-not-work.md', 'utf8').includes('<script'));
  });
});
