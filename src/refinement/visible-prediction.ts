import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import { rowMean } from './rows';

/** Predicts the condition of a row from which tokens are visible: `[rows, tokens]` flags to `[rows, width]`. */
export interface VisiblePrediction {
  predict(flags: Uint8Array): Float32Array;
  /** Ridge penalty in effect, relative to the mean variance of a flag; Infinity: the mean alone predicts best. */
  ridge: number;
  /** Share of the conditions' variance that is explained in rows left out of the fit, >= 0. */
  heldOut: number;
}

const RIDGES = [Infinity, 10, 3, 1, 0.3, 0.1, 0.03, 0.01];

/**
 * Ridge regression of conditions on the flags of visible tokens, with an intercept; the penalty is the one with the least
 * leave-one-out error (closed form), which may be that of the mean alone: a mask that says nothing changes nothing.
 */
export function fitVisiblePrediction(
  flags: Uint8Array,
  tokens: number,
  conditions: Float32Array,
  width: number,
): VisiblePrediction {
  const rows = conditions.length / width;
  const bits = Float32Array.from(flags);
  const [meanBits, meanCondition] = [rowMean(bits, tokens), rowMean(conditions, width)];
  const b = new Matrix(rows, tokens);
  const y = new Matrix(rows, width);
  bits.forEach((value, i) => b.set(Math.floor(i / tokens), i % tokens, value - meanBits[i % tokens]));
  conditions.forEach((value, i) => y.set(Math.floor(i / width), i % width, value - meanCondition[i % width]));
  const gram = b.transpose().mmul(b);
  const scale = gram.trace() / tokens;
  const eigen = new EigenvalueDecomposition(gram, { assumeSymmetric: true });
  const scores = b.mmul(eigen.eigenvectorMatrix);
  const loads = scores.transpose().mmul(y);
  const shrunk = (ridge: number) =>
    eigen.realEigenvalues.map((value) => {
      const sum = Math.max(value, 0) + ridge * scale;
      return sum > 0 && ridge < Infinity ? 1 / sum : 0;
    });
  const leftOut = RIDGES.map((ridge) => {
    const weights = shrunk(ridge);
    const fitted = scores.mmul(Matrix.diag(weights)).mmul(loads);
    let error = 0;
    for (let row = 0; row < rows; row++) {
      const leverage = 1 / rows + weights.reduce((sum, weight, k) => sum + weight * scores.get(row, k) ** 2, 0);
      for (let k = 0; k < width; k++) error += ((y.get(row, k) - fitted.get(row, k)) / (1 - leverage)) ** 2;
    }
    return error;
  });
  const best = leftOut.indexOf(Math.min(...leftOut.filter(Number.isFinite)));
  const at = Math.max(0, best);
  const map = eigen.eigenvectorMatrix.mmul(Matrix.diag(shrunk(RIDGES[at]))).mmul(loads);
  const predict = (given: Uint8Array) => {
    const out = new Float32Array((given.length / tokens) * width);
    for (let row = 0; row < given.length / tokens; row++) {
      for (let k = 0; k < width; k++) {
        let sum = meanCondition[k];
        for (let t = 0; t < tokens; t++) sum += (given[row * tokens + t] - meanBits[t]) * map.get(t, k);
        out[row * width + k] = sum;
      }
    }
    return out;
  };
  return { predict, ridge: RIDGES[at], heldOut: leftOut[0] > 0 ? 1 - leftOut[at] / leftOut[0] : 0 };
}
