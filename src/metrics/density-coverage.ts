import { InvalidInputError } from '../runtime/errors';
import type { Features } from './features';
import { precisionRecall } from './precision-recall';

/** Fidelity and diversity by nearest-neighbour balls round real rows only, which outliers among the generated do not inflate. */
export interface DensityCoverage {
  /** Mean number of real balls round a generated row over k; 1 on average when both laws are the same, may exceed 1. */
  density: number;
  /** Share of real balls that hold a generated row, in [0, 1]. */
  coverage: number;
  /** What coverage is on average when both laws are the same at these counts: the number to set `coverage` beside. */
  attainable: number;
}

/**
 * Density and coverage (Naeem et al. 2020, equations 3 and 4) in float64, with what is attainable at these counts.
 * Time O(rows^2), memory O(rows k).
 * @param k neighbours, 1 .. rows - 1; the authors use 5
 * @throws InvalidInputError for unequal widths, numbers that are not finite, or k out of range.
 */
export function densityCoverage(real: Features, fake: Features, k = 5): DensityCoverage {
  const { density, coverage } = precisionRecall(real, fake, k);
  return { density, coverage, attainable: expectedCoverage(real.count, fake.count, k) };
}

/**
 * The mean coverage of `fake` draws from the law of the `real` ones, whatever that law (Naeem et al. 2020, lemma 2):
 * 1 - (N-1)...(N-k) / ((M+N-1)...(M+N-k)), the probability that one of the k nearest of all others is generated.
 * @throws InvalidInputError unless counts are integers >= 1 and k is below `real`.
 */
export function expectedCoverage(real: number, fake: number, k: number): number {
  if (![real, fake, k].every((n) => Number.isInteger(n) && n >= 1) || k >= real) {
    throw new InvalidInputError('Expected coverage', {
      given: `${real} real and ${fake} generated rows, k = ${k}`,
      expected: 'integers >= 1 with k below the number of real rows',
      remedy: 'Use a smaller k or more images.',
    });
  }
  let none = 1;
  for (let i = 1; i <= k; i++) none *= (real - i) / (fake + real - i);
  return 1 - none;
}
