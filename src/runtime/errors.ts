import { printableLines } from './printable';

/** What went wrong, in the three parts a reader needs. */
export interface Explanation {
  /** What was received, e.g. `epsilon = -1`. */
  given: string;
  /** What would have been right, e.g. `a finite number > 0`. */
  expected: string;
  /** What to do about it, in the imperative. */
  remedy: string;
}

/** Base of every error that this project throws on purpose; `code` is stable and machine-readable. */
export class CerError extends Error {
  readonly given: string;
  readonly expected: string;
  readonly remedy: string;

  constructor(
    readonly code: string,
    what: string,
    { given, expected, remedy }: Explanation,
  ) {
    super(printableLines(`${what}: got ${given}; expected ${expected}. ${remedy}`)); // names from files are in it
    this.name = new.target.name;
    this.given = given;
    this.expected = expected;
    this.remedy = remedy;
  }
}

/** An argument or option has the wrong value, shape or type. */
export class InvalidInputError extends CerError {
  constructor(what: string, explanation: Explanation) {
    super('invalid-input', what, explanation);
  }
}

/** A file is truncated, corrupted, hostile or not of the stated format. */
export class FileFormatError extends CerError {
  constructor(what: string, explanation: Explanation) {
    super('file-format', what, explanation);
  }
}

/** Something the operation needs (a program, a file, a library) is not on this machine. */
export class MissingDependencyError extends CerError {
  constructor(what: string, explanation: Explanation) {
    super('missing-dependency', what, explanation);
  }
}

/** A computation left the range of numbers: NaN, infinity, overflow, divergence. */
export class NumericalError extends CerError {
  constructor(what: string, explanation: Explanation) {
    super('numerical', what, explanation);
  }
}
