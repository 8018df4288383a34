import { InvalidInputError, NumericalError } from '../runtime/errors';
import { type SelfTerm, selfTerm } from '../transport';
import { type ConditionMoments, pooledMoments } from './moments';
import { rowMean, totalVariance } from './rows';
import { fitVisiblePrediction, type VisiblePrediction } from './visible-prediction';

/** Samples that distances are measured to, with what of it depends on them alone. */
export interface Reference {
  samples: Float32Array;
  self: SelfTerm;
}

/** The law's samples in two halves: distances are measured to the first; the second says what two samples are apart. */
export interface Halves {
  first: Reference;
  second: Float32Array;
  /** Distance of the second half's leading rows to the first, by their number. */
  floors: Map<number, number>;
}

/** What an ideal law is made of. */
export interface LawSamples {
  /** `[count, width]` conditions computed from real histories. */
  targets: Float32Array;
  width: number;
  /** `[count, channels]` ground-truth latents of the tokens that the targets predict. */
  latents?: Float32Array;
  /** `[count, tokens]`, 1 where a token was visible when the condition was computed. */
  visibleTokens?: Uint8Array;
}

/** Epsilon of every distance to a law, over the mean cost between two samples of it, and Sinkhorn's tolerance there. */
export const DRIFT_EPSILON = 0.05;
export const DRIFT_TOLERANCE = 1e-3;

/**
 * The ideal law of one group as samples, with everything that follows from them. The samples are never written to, so each
 * derived quantity is computed once, when it is first asked for.
 */
export class IdealLaw {
  readonly targets: Float32Array;
  readonly width: number;
  readonly latents: Float32Array | undefined;
  readonly visibleTokens: Uint8Array | undefined;
  private readonly pooled: () => ConditionMoments;
  private readonly made: {
    mean?: Float64Array;
    variance?: number;
    halves?: Halves;
    whole?: Reference;
    moments?: ConditionMoments;
    residual?: { prediction: VisiblePrediction; law: IdealLaw };
  } = {};

  /**
   * @param moments of conditions and tokens; default those of these samples alone
   * @throws InvalidInputError unless the targets are whole rows, NumericalError unless they are finite.
   */
  constructor({ targets, width, latents, visibleTokens }: LawSamples, moments?: () => ConditionMoments) {
    requireRows('targets', targets, width);
    this.targets = targets;
    this.width = width;
    this.latents = latents;
    this.visibleTokens = visibleTokens;
    this.pooled = moments ?? (() => pooledMoments([this], width));
  }

  /** Number of samples. */
  get count(): number {
    return this.targets.length / this.width;
  }

  /** `[width]` */
  get mean(): Float64Array {
    this.made.mean ??= rowMean(this.targets, this.width);
    return this.made.mean;
  }

  /** Total variance: the mean squared distance to the mean. */
  get variance(): number {
    this.made.variance ??= totalVariance(this.targets, this.width, this.mean);
    return this.made.variance;
  }

  /** Covariances of conditions and latents within groups; a buffer pools them over its classes. */
  get moments(): ConditionMoments {
    this.made.moments ??= this.pooled();
    return this.made.moments;
  }

  /**
   * The absolute epsilon of every distance to this law. Two independent samples are 2 x variance apart in the mean; one epsilon for
   * a floor and what it is subtracted from, or their difference would not vanish where both follow the law.
   */
  get epsilon(): number {
    return DRIFT_EPSILON * 2 * Math.max(this.variance, Number.MIN_VALUE);
  }

  /** All samples as a reference of distances. */
  get whole(): Reference {
    this.made.whole ??= this.reference(this.targets);
    return this.made.whole;
  }

  /** The halves of a law of at least two different samples. */
  get halves(): Halves {
    if (!this.made.halves) {
      const half = Math.floor(this.count / 2) * this.width;
      const first = this.reference(this.targets.subarray(0, half));
      this.made.halves = { first, second: this.targets.subarray(half, 2 * half), floors: new Map() };
    }
    return this.made.halves;
  }

  /**
   * What the visible tokens predict of a condition, and the law of the rest.
   * @throws InvalidInputError when the law does not say which tokens were visible.
   */
  get residual(): { prediction: VisiblePrediction; law: IdealLaw } {
    if (!this.made.residual) {
      const { targets, width, count, latents } = this;
      const visible = present(this.visibleTokens, 'which tokens were visible');
      const prediction = fitVisiblePrediction(visible, visible.length / count, targets, width);
      const expected = prediction.predict(visible);
      const rest = targets.map((value, i) => value - expected[i]);
      const law = new IdealLaw({ targets: rest, width, latents, visibleTokens: visible }, () => this.moments);
      this.made.residual = { prediction, law };
    }
    return this.made.residual;
  }

  private reference(samples: Float32Array): Reference {
    const options = { epsilon: this.epsilon, tolerance: DRIFT_TOLERANCE };
    return { samples, self: selfTerm(samples, this.width, undefined, options) };
  }
}

/** @throws InvalidInputError unless rows are whole and at least one, NumericalError unless they are finite. */
export function requireRows(name: 'conditions' | 'targets', values: Float32Array, width: number): void {
  if (values.length === 0 || values.length % width !== 0) {
    throw new InvalidInputError(`Refinement, ${name}`, {
      given: `${values.length} numbers for width ${width}`,
      expected: 'a positive whole number of rows',
      remedy: 'Fill the buffer of ideal conditions with conditions of this model before sampling.',
    });
  }
  let bad = -1;
  for (let i = 0; i < values.length && bad < 0; i++) if (!Number.isFinite(values[i])) bad = i;
  if (bad < 0) return;
  throw new NumericalError(`Refinement, ${name}`, {
    given: `${values[bad]} in row ${Math.floor(bad / width)}`,
    expected: 'finite numbers',
    remedy: 'The model or its weights diverged: sample without refinement to see where.',
  });
}

/** A part of a law or group that an option needs. @throws InvalidInputError where it is missing. */
export function present<T>(value: T | undefined, what: string): T {
  if (value !== undefined) return value;
  throw new InvalidInputError('Refinement of a group', {
    given: 'a group without it',
    expected: what,
    remedy: 'Use a buffer that keeps latents and masks (`learnIdealLaw` makes one), or leave the option out.',
  });
}
