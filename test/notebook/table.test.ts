import { strict as assert } from 'node:assert';
import * as fc from 'fast-check';
import { cellsOf, toCsv, toDataFrame } from '../../src/notebook/data-frame';
import { formatCell, headerOf, table } from '../../src/notebook/table';
import { tableHtml } from '../../src/notebook/table-html';

/** A reader of RFC 4180, written from the standard alone. */
function parseCsv(text: string): string[][] {
  const rows: string[][] = [[]];
  let cell = '';
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (quoted) {
      if (c === '"' && text[i + 1] === '"') cell += text[++i];
      else if (c === '"') quoted = false;
      else cell += c;
    } else if (c === '"') quoted = true;
    else if (c === ',' || c === '\n') {
      rows.at(-1)!.push(cell);
      cell = '';
      if (c === '\n') rows.push([]);
    } else cell += c;
  }
  rows.pop(); // after the last line break
  return rows;
}

describe('notebook/table', () => {
  it('writes numbers with the asked significant digits, whole ones in full', () => {
    assert.deepEqual(
      [
        1234567,
        -3,
        0,
        0.1 + 0.2,
        12345.678,
        1.23456e-7,
        6.02214e23,
        Number.NaN,
        Number.POSITIVE_INFINITY,
        null,
        true,
      ].map((value) => formatCell(value, 4)),
      ['1234567', '-3', '0', '0.3', '12350', '1.235e-7', '6.022e+23', 'NaN', '∞', '', 'true'],
    );
  });

  it('keeps every column that occurs, in order, with nothing where a row has none', () => {
    const frame = toDataFrame([{ a: 1 }, { b: 'x', a: 2 }, { c: [1, 2] }]);
    assert.deepEqual(frame.columns, ['a', 'b', 'c']);
    assert.deepEqual(cellsOf(frame), [
      [1, null, null],
      [2, 'x', null],
      [null, null, '[1,2]'],
    ]);
    assert.equal(toDataFrame(frame), frame);
    assert.throws(() => toDataFrame([]), /no rows.*one object per row/);
  });

  it('is CSV that a reader of the standard reads back, whatever the cells hold', () => {
    const text = fc.string({ unit: fc.constantFrom('a', ' ', ',', '"', '\n', 'é', '1', ';') });
    const row = fc.record({
      name: text,
      value: fc.oneof(fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true })),
    });
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 5 }), (rows) => {
        const read = parseCsv(toCsv(toDataFrame(rows)));
        assert.deepEqual(read[0], ['name', 'value']);
        assert.deepEqual(
          read.slice(1),
          rows.map(({ name, value }) => [name, String(value)]),
        );
        const names = rows.map(({ name }) => ({ name }));
        assert.deepEqual(
          parseCsv(toCsv(toDataFrame(names))),
          [{ name: 'name' }, ...names].map(({ name }) => [name]),
        );
      }),
      { numRuns: 60 },
    );
  });

  it('CSV keeps rows of empty cells and blanks at the ends, also for readers that skip empty lines', () => {
    const csv = (...rows: object[]) => toCsv(toDataFrame(rows));
    assert.equal(csv({ a: 1, b: 'x' }, { a: null, b: null }, {}), 'a,b\n1,x\n,\n,\n');
    assert.equal(csv({ a: 1 }, { a: null }, { a: '' }), 'a\n1\n""\n""\n');
    assert.equal(csv({ a: ' x', b: 'y  ' }), 'a,b\n" x","y  "\n');
  });

  it('escapes HTML and right-aligns numbers', () => {
    const html = tableHtml(
      [
        { name: '<a>', numeric: false, paper: false },
        { name: 'n', numeric: true, paper: true },
      ],
      [['<b>x', '1']],
      'T & U',
    ).text;
    assert.ok(html.includes('&lt;b&gt;x') && html.includes('&lt;a&gt;') && html.includes('T &amp; U'));
    assert.ok(!html.includes('<b>'));
    assert.match(html, /<td style="text-align:left">&lt;b&gt;x<\/td><td style="text-align:right;[^"]*italic[^"]*">1</);
  });

  it('prints the paper’s numbers right beside ours, and right-aligns numbers with their errors', () => {
    const rows = [
      { method: 'AR', fid: '51.16 ± 1.54', recall: 0.8, published: 2.02 },
      { method: 'other', fid: '9.1 ± 0.2', recall: 0.75, published: null },
    ];
    const text = `T
method           FID  FID, paper  recall
------  ------------  ----------  ------
AR      51.16 ± 1.54        2.02     0.8
other      9.1 ± 0.2                0.75`;
    assert.equal(
      printed(() => table(rows, { title: 'T', paper: { fid: 'published' } })),
      text,
    );
    assert.equal(
      printed(() => table(rows, { columns: ['recall', 'fid', 'published'], paper: { fid: 'published' }, digits: 1 })),
      `recall           FID  FID, paper\n${'------  ------------  ----------'}\n   0.8  51.16 ± 1.54           2\n   0.8     9.1 ± 0.2`,
    );
  });

  it('heads columns with words: acronyms, units, identifiers taken apart, anything else as it is', () => {
    const headers = {
      fid: 'FID',
      megaflopsPerImage: 'MFLOP per image',
      pValue: 'p-value',
      classAccuracy: 'class accuracy',
      growthOfTheMean: 'growth of the mean',
      W2: 'W2',
      't / dB': 't / dB',
      'MAR + OT': 'MAR + OT',
      constructor: 'constructor',
    };
    for (const [name, header] of Object.entries(headers)) assert.equal(headerOf(name), header);
  });

  it('refuses a column that the rows do not have', () => {
    assert.throws(() => table([{ a: 1 }], { columns: ['b'] }), /Column of a table: got b; expected one of a/);
    assert.throws(() => table([{ a: 1 }], { paper: { a: 'theirs' } }), /got theirs/);
    assert.throws(() => table([{ a: 1, theirs: 2 }], { paper: { b: 'theirs' } }), /got b/);
  });

  it('CSV holds no text that a spreadsheet would run, and leaves numbers as they are', () => {
    const texts = ['=1+1', '+cmd', '-cmd|x', '@sum', '\tx', '\rx', '-1.5e-7', '+2', 'a=b', '=a,"b"'];
    const frame = toDataFrame(texts.map((text, i) => ({ text, number: -i })));
    const [, ...lines] = toCsv(frame).split('\n');
    const expected = ["'=1+1", "'+cmd", "'-cmd|x", "'@sum", "'\tx", '"\'\rx"', '-1.5e-7', '+2', 'a=b', '"\'=a,""b"""'];
    assert.deepEqual(
      lines.slice(0, -1),
      expected.map((text, i) => `${text},${-i}`),
    );
  });
});

/** What `run` prints. */
function printed(run: () => void): string {
  const lines: string[] = [];
  const { log } = console;
  console.log = (line: string) => lines.push(line);
  try {
    run();
  } finally {
    console.log = log;
  }
  return lines.join('\n');
}
