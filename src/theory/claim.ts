import type { Verdict } from '../metrics/verdict';
import { InvalidInputError } from '../runtime/errors';

/**
 * The statements of the paper's theory that are checked one by one: its 16 numbered ones (three theorems, two
 * propositions, two definitions, nine lemmas), the Sinkhorn step, and parts that can fail alone. The check of
 * `theorem-1-gap` is exported as `checkTheorem1Gap`, and so on; the registry in `src/paper` says what each of them states.
 */
export const STATEMENTS = [
  'theorem-1',
  'theorem-1-gap',
  'lemma-1',
  'lemma-1-implicit',
  'lemma-1-denoising',
  'definition-1',
  'definition-1-classes',
  'definition-2',
  'lemma-2',
  'lemma-2-norms',
  'proposition-1',
  'lemma-3',
  'lemma-4',
  'lemma-5',
  'theorem-2',
  'theorem-2-rate',
  'theorem-2-constants',
  'theorem-2-law',
  'theorem-2-control',
  'lemma-6',
  'lemma-6-carried',
  'lemma-6-injected',
  'lemma-6-cross',
  'lemma-7',
  'lemma-8',
  'lemma-9',
  'proposition-2',
  'theorem-3',
  'theorem-3-particles',
  'theorem-3-bias',
  'theorem-3-redrawn',
  'theorem-3-convexity',
  'theorem-3-generalised',
  'sinkhorn',
] as const;

export type StatementId = (typeof STATEMENTS)[number];

/** The paper's four assumptions; each is measured where it is used. */
export const ASSUMPTIONS = ['assumption-1', 'assumption-2', 'assumption-3', 'assumption-4'] as const;

/** Everything that `cer claims` computes a number for. */
export type ClaimId = StatementId | (typeof ASSUMPTIONS)[number];

/** The relation to the claim's number that a measured number must satisfy. */
export type Relation = '<=' | '=' | '>=' | '<' | '>';

/** The number that the claim predicts, and its own error. */
export interface Expected {
  relation: Relation;
  value: number;
  /** Standard error of `value` when it is itself measured; 0 or absent when exact. */
  error?: number;
}

/**
 * `holds` / `fails`: the whole interval lies on the right / wrong side. `undecided`: it straddles the bound, or is too
 * wide to say anything. `assumption violated`: the claim's hypothesis is false here, so the number neither supports nor
 * refutes it; the violations say where and by how much.
 */
export type ClaimVerdict = Verdict | 'assumption violated';

/** One claim of the paper as a measured number and the number that the claim predicts. */
export interface ClaimResult {
  /** Key of the registry in `src/paper`, e.g. `theorem-1`. */
  id: ClaimId;
  measured: number;
  /** Standard error of `measured`; 0 when it is exact up to rounding. */
  error: number;
  /** Monte Carlo sample size, absent for closed forms. */
  samples?: number;
  expected: Expected;
  /** Distance of the number from violating the claim, in its own unit; negative when the claim is violated. */
  margin: number;
  verdict: ClaimVerdict;
  /** One sentence: what was computed, on what, and what else was seen. */
  detail: string;
  /** Which assumptions fail, where, by how much. */
  violations?: string[];
}

/** Options of every check; a check may have more. */
export interface ClaimOptions {
  /** Seed of the random problem and of the Monte Carlo draws; default 0. */
  seed?: number;
}

/** A claim as a function with a number: deterministic for a given seed, at most about two seconds. */
export type ClaimCheck = (options?: ClaimOptions) => ClaimResult;

/** The ingredients from which `claimResult` derives margin and verdict. */
export interface ClaimEvidence {
  id: ClaimId;
  measured: number;
  error?: number;
  samples?: number;
  expected: Expected;
  detail: string;
  violations?: string[];
  /** Absolute rounding error granted to exact numbers; default 1e-9 of the larger of the two numbers. */
  rounding?: number;
  /** Largest half-width at which an equality counts as tested; default a tenth of the expected value, to be stated for 0. */
  resolution?: number;
}

/**
 * Half-width of every interval in standard errors. Four, because some forty checks run at once: a correct claim is then
 * reported as failing about once in four hundred runs, not in every third.
 */
export const INTERVAL_WIDTH = 4;

/** Half-width of the interval for the difference between measured and expected. */
export function halfWidth(error: number, expectedError = 0): number {
  return INTERVAL_WIDTH * Math.hypot(error, expectedError);
}

/**
 * Margin and verdict from a measured number, its standard error and what the claim expects of it.
 * An inequality holds when the whole interval is on the right side. An equality holds when the interval contains the
 * expected value and is narrower than `resolution`: a measurement that could not have failed is `undecided`.
 * @throws InvalidInputError when a number is not finite, an error is negative, or a measured "= 0" states no resolution.
 */
export function claimResult(evidence: ClaimEvidence): ClaimResult {
  const { id, measured, error = 0, samples, expected, detail, violations = [] } = evidence;
  const { relation, value } = expected;
  const numbers = [measured, error, value, expected.error ?? 0];
  if (!numbers.every(Number.isFinite) || error < 0 || (expected.error ?? 0) < 0) {
    throw new InvalidInputError(`Evidence for ${id}`, {
      given: `measured ${measured} +- ${error}, expected ${relation} ${value} +- ${expected.error ?? 0}`,
      expected: 'finite numbers with errors >= 0',
      remedy: 'Look at the computation behind the number; a claim cannot be checked with NaN or infinity.',
    });
  }
  if (relation === '=' && value === 0 && evidence.resolution === undefined) {
    throw new InvalidInputError(`Evidence for ${id}`, {
      given: 'an expected 0 without a resolution',
      expected: 'the largest half-width at which the interval counts as a test',
      remedy: 'State `resolution`: without it any interval around 0, however wide, would pass.',
    });
  }
  const rounding = evidence.rounding ?? 1e-9 * Math.max(Math.abs(measured), Math.abs(value));
  const width = halfWidth(error, expected.error);
  let margin: number;
  let verdict: ClaimVerdict;
  if (relation === '=') {
    const resolution = evidence.resolution ?? Math.abs(value) / 10;
    margin = width + rounding - Math.abs(measured - value);
    if (margin < 0) verdict = 'fails';
    else verdict = width > resolution ? 'undecided' : 'holds';
  } else {
    margin = relation === '<=' || relation === '<' ? value - measured : measured - value;
    const strict = relation === '<' || relation === '>';
    const least = margin - width + (strict ? -rounding : rounding);
    const most = margin + width + (strict ? -rounding : rounding);
    if (strict ? least > 0 : least >= 0) verdict = 'holds';
    else verdict = (strict ? most <= 0 : most < 0) ? 'fails' : 'undecided';
  }
  if (violations.length > 0) verdict = 'assumption violated';
  return {
    id,
    measured,
    error,
    ...(samples === undefined ? {} : { samples }),
    expected,
    margin,
    verdict,
    detail,
    ...(violations.length === 0 ? {} : { violations }),
  };
}
