import { strict as assert } from 'node:assert';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { record, type SummaryRow } from '../../src/notebook/record';
import { figure } from '../../src/plots/figure';
import { chromiumPath, closeRenderer, renderPng } from '../../src/plots/render';
import { forgetFindings, readFindings, summaryText, withError } from '../../src/reproduce/findings';

const row: SummaryRow = { claim: 'Theorem 2', ours: '0.79', error: '0.01', paper: '< 1', verdict: 'holds' };
const parabola = () =>
  figure([{ type: 'scatter', x: [0, 1, 2], y: [0, 1, 4] }], {
    title: 'Parabola',
    x: 'x (s)',
    y: 'y (m)',
    width: 400,
    height: 300,
  });

describe('notebook/record', () => {
  let folder: string;
  const before = process.env.CER_RESULTS;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'cer-record-'));
    process.env.CER_RESULTS = folder;
    process.env.CER_NOTEBOOK = '04-decay';
  });
  afterEach(async () => {
    rmSync(folder, { recursive: true });
    process.env.CER_RESULTS = before;
    if (before === undefined) delete process.env.CER_RESULTS;
    delete process.env.CER_NOTEBOOK;
    await closeRenderer();
  });

  it('leaves JSON, CSV and pictures that are read back as given, and takes them all away again', async () => {
    const tables = { rates: [{ beta: 0.5 }, { beta: 0.25 }] };
    await record('decay', {
      table: [{ step: 1, norm: 2.5, why: 'a, b' }],
      tables,
      figures: { norm: parabola() },
      summary: [row],
    });
    const pictures = chromiumPath() ? ['decay-norm.png'] : [];
    assert.deepEqual(readdirSync(folder).sort(), [...pictures, 'decay-rates.csv', 'decay.csv', 'decay.json'].sort());
    assert.equal(readFileSync(join(folder, 'decay.csv'), 'utf8'), 'step,norm,why\n1,2.5,"a, b"\n');
    const [finding] = readFindings(folder);
    assert.deepEqual(finding.summary, [row]);
    assert.deepEqual(finding.tables, { decay: [{ step: 1, norm: 2.5, why: 'a, b' }], rates: tables.rates });
    forgetFindings(folder, '05-other');
    assert.ok(existsSync(join(folder, 'decay.json')));
    forgetFindings(folder, '04-decay');
    assert.deepEqual(readdirSync(folder), []);
  });

  it('refuses names that are no file names and verdicts that are none, before it writes', () => {
    assert.throws(() => record('../decay', {}), /becomes a file name/);
    assert.throws(() => record('decay', { figures: { 'a b': parabola() } }), /becomes a file name/);
    const wrong = { ...row, verdict: 'true' } as unknown as SummaryRow;
    assert.throws(() => record('decay', { summary: [wrong] }), /expected one of holds, fails/);
    assert.deepEqual(readdirSync(folder), []);
  });

  it('writes ours with its error, whatever the error is', () => {
    assert.equal(withError(row), '0.79 ± 0.01');
    assert.equal(withError({ ...row, error: '± 0.01' }), '0.79 ± 0.01');
    assert.equal(withError({ ...row, error: 'exact' }), '0.79 (exact)');
    assert.equal(withError({ ...row, error: '' }), '0.79');
    const text = summaryText([{ experiment: 'e', profile: 'small', summary: [row], tables: {}, figures: [] }]);
    assert.match(text, /Theorem 2 {2}0\.79 ± 0\.01 {2}< 1 {4}holds$/);
  });
});

describe('plots/render', () => {
  before(function () {
    if (chromiumPath()) return;
    console.log('skipped: no Chromium, which draws the pictures');
    this.skip();
  });
  after(closeRenderer);

  it('draws the same figure to the same bytes at twice its size, typed arrays as arrays', async () => {
    const typed = parabola();
    (typed.data[0] as { y: unknown }).y = Float64Array.of(0, 1, 4);
    const [first, second, third] = await Promise.all([parabola(), parabola(), typed].map(renderPng));
    assert.deepEqual(first, second);
    assert.deepEqual(first, third);
    assert.deepEqual([first!.readUInt32BE(16), first!.readUInt32BE(20)], [800, 600]); // the PNG header's size
    const other = parabola();
    (other.data[0] as { y: unknown }).y = [0, 1, 3];
    assert.notDeepEqual(await renderPng(other), first);
  });

  it('starts again after it was closed', async () => {
    await closeRenderer();
    assert.ok((await renderPng(parabola()))!.length > 1000);
  });
});
