import { InvalidInputError } from '../runtime/errors';

/** A matrix of features, row-major `[count, dimension]`: one row per image. Class probabilities have the same form. */
export interface Features {
  data: Float32Array | Float64Array;
  count: number;
  dimension: number;
}

/**
 * Checks that `features` hold `count * dimension` finite numbers and at least `minimum` rows.
 * @throws InvalidInputError naming what does not fit, with the row of the first non-finite number.
 */
export function checkFeatures(what: string, { data, count, dimension }: Features, minimum = 1): void {
  if (!(Number.isInteger(count) && count >= minimum && Number.isInteger(dimension) && dimension >= 1)) {
    throw new InvalidInputError(what, {
      given: `count = ${count}, dimension = ${dimension}`,
      expected: `at least ${minimum} rows and one column`,
      remedy: 'Give more images, or check the shape of the features.',
    });
  }
  if (data.length !== count * dimension) {
    throw new InvalidInputError(what, {
      given: `${data.length} numbers`,
      expected: `count * dimension = ${count} * ${dimension} = ${count * dimension} numbers`,
      remedy: 'Give row-major features whose length fits the stated shape.',
    });
  }
  const bad = data.findIndex((x) => !Number.isFinite(x));
  if (bad >= 0) {
    throw new InvalidInputError(what, {
      given: `${data[bad]} in row ${Math.floor(bad / dimension)}, column ${bad % dimension}`,
      expected: 'finite numbers only',
      remedy: 'Look at the image of that row; a diverged sample must not be averaged away.',
    });
  }
}

/** Checks that two sets of features have the same width. @throws InvalidInputError when they have not. */
export function checkSameDimension(a: Features, b: Features): void {
  if (a.dimension !== b.dimension) {
    throw new InvalidInputError('Feature sets', {
      given: `dimensions ${a.dimension} and ${b.dimension}`,
      expected: 'equal dimensions',
      remedy: 'Take both sets from the same feature extractor.',
    });
  }
}

/** The given rows as a new feature matrix (rows may repeat, as a bootstrap needs). */
export function selectRows({ data, dimension }: Features, rows: ArrayLike<number>): Features {
  const out = new Float64Array(rows.length * dimension);
  for (let i = 0; i < rows.length; i++) {
    out.set(data.subarray(rows[i] * dimension, (rows[i] + 1) * dimension), i * dimension);
  }
  return { data: out, count: rows.length, dimension };
}
