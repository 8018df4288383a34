import { compare, MEASURES, type Measure, type Run } from './table-1';

/** The published numbers beside ours (ImageNet 256 x 256, FID-50K; PAPER: Table 1). */
const PAPER: Record<string, { paperFid: number; paperIs: number }> = {
  CDM: { paperFid: 3.26, paperIs: 259.6 },
  AR: { paperFid: 2.02, paperIs: 282.6 },
  'AR + OT': { paperFid: 1.52, paperIs: 317.6 },
  MAR: { paperFid: 1.55, paperIs: 303.7 },
  'MAR + OT': { paperFid: 1.31, paperIs: 324.2 },
};

/** The paper's FID and Inception score of a method, empty for a rival that is not in its table. */
export function paperRow(method: string): { paperFid: number | null; paperIs: number | null } {
  return PAPER[method] ?? { paperFid: null, paperIs: null };
}

/** Rows of `summarise` with the paper's numbers in two more columns. */
export function withPaper(rows: readonly Row[]): Row[] {
  return rows.map((row) => ({ ...row, ...paperRow(String(row.method)) }));
}

/** A row of a results table. */
export type Row = Record<string, string | number | null>;

const DECIMALS: Record<Measure, number> = {
  fid: 2,
  inceptionScore: 2,
  precision: 3,
  recall: 3,
  classAccuracy: 3,
  secondsPerImage: 4,
};

/** Rows of `summarise` with each measure and its error in one cell. */
export function readable(rows: readonly Row[]): Row[] {
  return rows.map((row) => ({
    method: row.method,
    ...Object.fromEntries(
      MEASURES.map((measure) => {
        const digits = DECIMALS[measure];
        return [
          measure,
          `${Number(row[measure]).toFixed(digits)} ± ${Number(row[`${measure} error`]).toFixed(digits)}`,
        ];
      }),
    ),
    paperFid: row.paperFid,
    paperIs: row.paperIs,
  }));
}

const CLAIMS = [
  { baseline: 'AR', method: 'AR + OT', text: 'refinement improves AR', paper: 'FID 2.02 → 1.52' },
  { baseline: 'MAR', method: 'MAR + OT', text: 'refinement improves MAR', paper: 'FID 1.55 → 1.31' },
  { baseline: 'CDM', method: 'AR', text: 'AR is better than CDM', paper: 'FID 3.26 → 2.02' },
  { baseline: 'AR', method: 'MAR', text: 'MAR is better than AR', paper: 'FID 2.02 → 1.55' },
] as const;

/** A verdict on "lower is better": only when the whole interval is on one side of zero. */
export function lowerIsBetter({ low, high }: { low: number; high: number }): 'holds' | 'fails' | 'undecided' {
  return high < 0 ? 'holds' : low > 0 ? 'fails' : 'undecided';
}

/** One row per claim of Table 1, with the paired FID difference and its 95 % interval. */
export function summaryRows(runs: readonly Run[]) {
  return CLAIMS.map(({ baseline, method, text, paper }) => {
    const { mean, standardError, low, high, count } = compare(runs, baseline, method, 'fid');
    return {
      claim: `Table 1: ${text}`,
      ours: `FID difference ${mean.toFixed(2)} [${low.toFixed(2)}, ${high.toFixed(2)}]`,
      error: `± ${standardError.toFixed(2)} (${count} sampling seeds)`,
      paper,
      verdict: lowerIsBetter({ low, high }),
      note: 'analogue: 32 x 32 procedural images, small-classifier features, one training seed',
    };
  });
}

/** What was found, in words, what does not replicate first. */
export function verdictText(runs: readonly Run[]): string {
  const order = { fails: 0, undecided: 1, holds: 2 };
  const rows = summaryRows(runs).sort((a, b) => order[a.verdict] - order[b.verdict]);
  const words = { holds: '**holds**', fails: '**does not replicate**', undecided: 'is **undecided**' };
  const lines = rows.map(
    ({ claim, verdict, ours, error }) =>
      `- ${claim.replace('Table 1: ', '')}: ${words[verdict]} at this scale (${ours}, ${error}).`,
  );
  const rival = compare(runs, 'AR + nearest neighbour', 'AR + OT', 'fid');
  const against = { holds: 'better than', fails: 'worse than', undecided: 'not told apart from' }[lowerIsBetter(rival)];
  lines.push(
    `- On AR, optimal transport is ${against} plain retrieval of the nearest buffered condition (difference ${rival.mean.toFixed(2)} [${rival.low.toFixed(2)}, ${rival.high.toFixed(2)}]): ` +
      'an FID gain alone does not tell repair of the conditions from retrieval of real ones.',
  );
  return `### What was found\n\n${lines.join('\n')}\n\nOne training seed: another training may change every line.`;
}
