import { foldIn, type Key, key as keyOf, permutation } from '../runtime/random';

/** What two factors explain of a response as a sum, and what their product adds. */
export interface ProductGain {
  /** Share of the variance that the sum of both explains (R^2), in [0, 1]. */
  additive: number;
  /** What the product adds to it. */
  gain: number;
  /** Share of permutations of what the sum leaves over that gain as much (Freedman and Lane 1983). */
  pValue: number;
  /** Number of rows above what is needed to fit sum and product; the fewer, the more is explained by chance. */
  freedom: number;
}

/**
 * The gain of the products of two factors over their sum, by least squares. A factor is one or more columns of numbers: one for a number, an
 * indicator for each category but one.
 * @returns undefined where the rows are too few to fit both (freedom below 1).
 */
export function productGain(
  first: readonly ArrayLike<number>[],
  second: readonly ArrayLike<number>[],
  response: ArrayLike<number>,
  { resamples = 999, key = keyOf(0) }: { resamples?: number; key?: Key } = {},
): ProductGain | undefined {
  const count = response.length;
  const sum = orthonormal([new Float64Array(count).fill(1), ...first, ...second]);
  const products = first.flatMap((a) => second.map((b) => Float64Array.from(a, (x, i) => x * b[i])));
  const added = orthonormal(products, sum);
  const freedom = count - sum.length - added.length;
  if (freedom < 1) return undefined;
  const y = Float64Array.from(response);
  const total = squares(without([sum[0]], y));
  const left = without(sum, y);
  const leftover = squares(left);
  if (!(total > 0)) return { additive: 0, gain: 0, pValue: 1, freedom };
  const observed = explained(added, left) / leftover;
  let asFar = 1; // the rows as they are count among the permutations
  for (let draw = 0; draw < resamples; draw++) {
    const order = permutation(foldIn(key, draw), count);
    const shuffled = without(
      sum,
      Float64Array.from(order, (row) => left[row]),
    );
    if (explained(added, shuffled) / squares(shuffled) >= observed - 1e-12) asFar++;
  }
  return {
    additive: 1 - leftover / total,
    gain: explained(added, left) / total,
    pValue: leftover > 1e-20 * total ? asFar / (resamples + 1) : 1,
    freedom,
  };
}

/** An orthonormal basis of what columns add to `known` (modified Gram-Schmidt, twice); columns that add nothing are left out. */
function orthonormal(columns: readonly ArrayLike<number>[], known: readonly Float64Array[] = []): Float64Array[] {
  const basis: Float64Array[] = [];
  for (const column of columns) {
    const given = Float64Array.from(column);
    const rest = without([...known, ...basis], without([...known, ...basis], given));
    const norm = Math.sqrt(squares(rest));
    if (norm > 1e-9 * Math.sqrt(squares(given))) basis.push(rest.map((x) => x / norm));
  }
  return basis;
}

function without(basis: readonly Float64Array[], vector: Float64Array): Float64Array {
  const rest = vector.slice();
  for (const unit of basis) {
    const along = dot(unit, rest);
    for (let i = 0; i < rest.length; i++) rest[i] -= along * unit[i];
  }
  return rest;
}

const explained = (basis: readonly Float64Array[], vector: Float64Array) =>
  basis.reduce((sum, unit) => sum + dot(unit, vector) ** 2, 0);
const squares = (vector: Float64Array) => dot(vector, vector);

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}
