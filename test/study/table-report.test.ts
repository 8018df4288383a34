import { strict as assert } from 'node:assert';
import type { StudyRow } from '../../src/study/rows';
import {
  claimRow,
  differenceFigure,
  differenceRows,
  table2Rows,
  table3Rows,
  tableRows,
} from '../../src/study/table-report';
import { measuredRun } from './support';

const rows = (method: string, fids: number[]): StudyRow[] =>
  fids.map((fid, i) => ({
    method,
    trainingSeed: i + 1,
    seed: 0,
    values: measuredRun({
      fid,
      inceptionScore: 2,
      precision: 0.5,
      recall: 0.5,
      classAccuracy: 0.3,
      conditionError: null,
    }),
  }));

interface Forest {
  x: number[];
  y: string[];
  error_x: { array: number[]; arrayminus: number[] };
  marker: { color: string[] };
}

describe('study/table-report', () => {
  const all = [
    ...rows('AR', [20, 21, 22, 23]),
    ...rows('AR + OT', [15.1, 15.9, 17, 18]),
    ...rows('AR + rival', [15, 16, 17.1, 17.9]),
    ...rows('MAR', [22, 23, 24, 25]),
    ...rows('MAR + OT', [28, 29.1, 30, 31]),
  ];
  const differences = differenceRows(all, [
    { name: 'AR + OT', options: { model: 'AR' } },
    { name: 'MAR + OT', options: { model: 'MAR' } },
    { name: 'AR + OT', options: { model: 'AR' }, baseline: 'AR + rival' },
  ]);

  it('means with their errors, the paper beside them, nothing where nothing was measured', () => {
    const [ar] = tableRows(all);
    assert.equal(ar.fid, '21.5 ± 0.6');
    assert.deepEqual([ar.paperFid, ar.paperIs, ar.conditionError, ar.trainings], [2.02, 282.6, null, 4]);
    assert.equal(tableRows(rows('AR + rival', [1, 2]))[0].paperFid, null);
  });

  it('differences against the own baseline, judged by the interval', () => {
    assert.deepEqual(
      differences.map(({ method, baseline, verdict, over }) => `${method} ${baseline} ${verdict} ${over}`),
      ['AR + OT AR holds 4 trainings', 'MAR + OT MAR fails 4 trainings', 'AR + OT AR + rival undecided 4 trainings'],
    );
    assert.equal(differences[0].relative, '-23 %');
    const { data, layout } = differenceFigure(differences, 'x');
    const [{ x, y, error_x: bars, marker }] = data as unknown as Forest[];
    assert.deepEqual(y, ['AR + OT − AR', 'AR + OT − AR + rival', 'MAR + OT − MAR'], 'best first, from the top');
    assert.deepEqual(layout.yaxis?.range, [2.6, -0.6]);
    const [first] = differences;
    assert.deepEqual([x[0], x[0] + bars.array[0], x[0] - bars.arrayminus[0]], [first.fid, first.high, first.low]);
    assert.equal(new Set(marker.color).size, 3, 'a colour per verdict');
  });

  it('a claim is a line of the summary with its interval, its error and its verdict', () => {
    const line = claimRow(all, { text: 'improves MAR', baseline: 'MAR', method: 'MAR + OT', paper: '' });
    assert.deepEqual([line.claim, line.verdict], ['improves MAR', 'fails']);
    assert.match(line.ours, /^FID \+6\.0 \[/);
  });

  it('scales: only those with rows of both kinds', () => {
    const table = table2Rows([...rows('AR, wide', [5, 6]), ...rows('AR + OT, wide', [4, 5.5])], all);
    assert.deepEqual(
      table.map(({ model, scale }) => `${model} ${scale}`),
      ['AR small (64)', 'AR wide (128)', 'MAR small (64)'],
    );
    const [row] = table3Rows([...rows('MAR, 64 pixels', [9, 8]), ...rows('MAR + OT, 64 pixels', [7, 6])]);
    assert.deepEqual([row.model, row.difference, row.verdict], ['MAR', -2, 'holds']);
  });
});
