import { foldIn, type Key, permutation } from '../runtime/random';
import { checkFeatures, checkSameDimension, type Features, selectRows } from './features';

/** Squared maximum mean discrepancy with the kernel (x.y / dimension + 1)^3. */
export interface KernelDistance {
  unbiased: number;
  biased: number;
}

/**
 * Kernel inception distance (Binkowski et al. 2018) of two feature sets, all rows at once. The unbiased estimate may be
 * negative; its expectation does not depend on the number of images.
 * @throws InvalidInputError for fewer than two rows, unequal widths or numbers that are not finite.
 */
export function kid(real: Features, fake: Features): KernelDistance {
  checkFeatures('Real features', real, 2);
  checkFeatures('Generated features', fake, 2);
  checkSameDimension(real, fake);
  const n = real.count;
  const m = fake.count;
  const within = (x: Features) => {
    let offDiagonal = 0;
    let diagonal = 0;
    for (let i = 0; i < x.count; i++) {
      diagonal += kernel(x, i, x, i);
      for (let j = i + 1; j < x.count; j++) offDiagonal += 2 * kernel(x, i, x, j);
    }
    return { offDiagonal, diagonal };
  };
  const rr = within(real);
  const ff = within(fake);
  let cross = 0;
  for (let i = 0; i < n; i++) for (let j = 0; j < m; j++) cross += kernel(real, i, fake, j);
  const mixed = (2 * cross) / (n * m);
  return {
    unbiased: rr.offDiagonal / (n * (n - 1)) + ff.offDiagonal / (m * (m - 1)) - mixed,
    biased: (rr.offDiagonal + rr.diagonal) / (n * n) + (ff.offDiagonal + ff.diagonal) / (m * m) - mixed,
  };
}

/** Row indices of `subsets` subsets of `size` rows out of `count`, without repetition inside a subset. */
export function drawSubsets(source: Key, subsets: number, size: number, count: number): Int32Array[] {
  return Array.from({ length: subsets }, (_, s) => permutation(foldIn(source, s), count).slice(0, size));
}

/** Unbiased KID of each pair of subsets (rows of `real` and of `fake`): their mean and spread are what papers quote. */
export function kidOfSubsets(
  real: Features,
  fake: Features,
  realRows: ArrayLike<number>[],
  fakeRows: ArrayLike<number>[],
): Float64Array {
  return Float64Array.from(realRows, (rows, s) => kid(selectRows(real, rows), selectRows(fake, fakeRows[s])).unbiased);
}

function kernel(x: Features, i: number, y: Features, j: number): number {
  const d = x.dimension;
  let dot = 0;
  for (let k = 0, p = i * d, q = j * d; k < d; k++, p++, q++) dot += x.data[p] * y.data[q];
  return (dot / d + 1) ** 3;
}
