/** Arithmetic on rows `[count, width]`, row-major. */

/** Mean `[width]` of rows. */
export function rowMean(rows: Float32Array, width: number): Float64Array {
  const mean = new Float64Array(width);
  for (let at = 0; at < rows.length; at += width) for (let k = 0; k < width; k++) mean[k] += rows[at + k];
  return mean.map((sum) => (sum * width) / rows.length);
}

/** Rows minus their mean, in float64. */
export function centred(rows: Float32Array, width: number, mean = rowMean(rows, width)): Float64Array {
  return Float64Array.from(rows, (value, i) => value - mean[i % width]);
}

/** Variance `[width]` of each coordinate. */
export function coordinateVariance(rows: Float32Array, width: number, mean = rowMean(rows, width)): Float64Array {
  const variance = new Float64Array(width);
  for (let i = 0; i < rows.length; i++) variance[i % width] += ((rows[i] - mean[i % width]) ** 2 * width) / rows.length;
  return variance;
}

/** Total variance of rows: the mean squared distance to their mean. */
export function totalVariance(rows: Float32Array, width: number, mean = rowMean(rows, width)): number {
  let sum = 0;
  for (let at = 0; at < rows.length; at += width) {
    for (let k = 0; k < width; k++) {
      const difference = rows[at + k] - mean[k];
      sum += difference * difference;
    }
  }
  return (sum * width) / rows.length;
}

/** Rows scaled about their mean to a total variance; one point stays one point. */
export function rescaled(rows: Float32Array, width: number, variance: number): Float32Array {
  const mean = rowMean(rows, width);
  const factor = Math.sqrt(variance / Math.max(totalVariance(rows, width, mean), Number.MIN_VALUE));
  const out = new Float32Array(rows.length);
  for (let at = 0; at < rows.length; at += width) {
    for (let k = 0; k < width; k++) out[at + k] = mean[k] + factor * (rows[at + k] - mean[k]);
  }
  return out;
}

/** Mean squared distance between matching rows. */
export function meanSquaredDistance(a: Float32Array, b: Float32Array, width: number): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = a[i] - b[i];
    sum += difference * difference;
  }
  return (sum * width) / a.length;
}

/** The rows of the given numbers, one after another. */
export function takeRows(rows: Float32Array, numbers: ArrayLike<number>, width: number): Float32Array {
  const out = new Float32Array(numbers.length * width);
  for (let i = 0; i < numbers.length; i++) {
    const from = numbers[i] * width;
    for (let k = 0; k < width; k++) out[i * width + k] = rows[from + k]; // rows are short: a call for each takes longer
  }
  return out;
}

/** Writes rows back to the given numbers. */
export function putRows(part: Float32Array, numbers: ArrayLike<number>, width: number, into: Float32Array): void {
  for (let i = 0; i < numbers.length; i++) {
    const to = numbers[i] * width;
    for (let k = 0; k < width; k++) into[to + k] = part[i * width + k];
  }
}
