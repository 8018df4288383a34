/**
 * What an interval says about a claim. `holds`: the whole of it is on the right side; `fails`: the whole of it is on the wrong one;
 * `undecided`: it reaches across.
 */
export type Verdict = 'holds' | 'fails' | 'undecided';

/** Verdicts, in the order in which they are reported: what does not replicate first. */
export const VERDICT_ORDER: readonly string[] = ['fails', 'undecided', 'holds'];

/** Which side of the bound is the right one. */
export type Better = 'lower' | 'higher';

/**
 * The verdict of an interval of a difference (or of a level against `bound`). The level of the interval is the caller's and is named where the
 * verdict is shown: 95 % in tables, four standard errors in the family of claims.
 */
export function verdictOf({ low, high }: { low: number; high: number }, better: Better, bound = 0): Verdict {
  if (better === 'higher') return verdictOf({ low: -high, high: -low }, 'lower', -bound);
  return high < bound ? 'holds' : low > bound ? 'fails' : 'undecided';
}

/** The same after a correction for many comparisons: undecided unless the corrected p-value is below `level`. */
export function correctedVerdict(verdict: Verdict, pValue: number, level = 0.05): Verdict {
  return pValue < level ? verdict : 'undecided';
}
