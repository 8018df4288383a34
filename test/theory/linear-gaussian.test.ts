import { strict as assert } from 'node:assert';
import { Matrix } from 'ml-matrix';
import { meanWithError } from '../../src/metrics/confidence';
import { key } from '../../src/runtime/random';
import {
  gaussianMatrix,
  normalDivergence,
  normalWasserstein,
  shiftedTotalVariation,
  spectralNorm,
  symmetricPower,
} from '../../src/theory/linear-gaussian';
import { close } from './helpers';

const scalar = (value: number) => new Matrix([[value]]);

describe('theory/linear-gaussian', () => {
  it('divergence, Wasserstein and total variation of scalar normal laws are the known formulas', () => {
    const [p, q] = [
      { mean: scalar(1), covariance: scalar(4) },
      { mean: scalar(-1), covariance: scalar(9) },
    ];
    close(normalDivergence(p, q), Math.log(3 / 2) + (4 + 4) / 18 - 0.5, 1e-14);
    close(normalWasserstein(p, q), Math.sqrt(4 + 1), 1e-14);
    // P(|Z| < 1): the two densities of N(0, 1) and N(2, 1) cross half-way.
    close(shiftedTotalVariation(scalar(2), scalar(1)), 0.6826894921370859, 1e-12);
  });

  it('total variation agrees with likelihood ratios of draws', () => {
    const [covariance, apart] = [
      new Matrix([
        [2, 0.5],
        [0.5, 1],
      ]),
      new Matrix([[1], [-0.7]]),
    ];
    const z = gaussianMatrix(key(1), covariance, 20_000);
    const solved = symmetricPower(covariance, -1).mmul(apart);
    const half = 0.5 * apart.transpose().mmul(solved).get(0, 0);
    const ratio = solved.transpose().mmul(z).getRow(0);
    const { value, error } = meanWithError(ratio.map((along) => Math.max(0, 1 - Math.exp(along - half))));
    assert.ok(Math.abs(value - shiftedTotalVariation(apart, covariance)) < 4 * error);
  });

  it('powers of symmetric matrices and the spectral norm', () => {
    const matrix = new Matrix([
      [2, 1],
      [1, 2],
    ]);
    close(Matrix.sub(symmetricPower(matrix, 0.5).mmul(symmetricPower(matrix, 0.5)), matrix).norm(), 0, 1e-14);
    close(Matrix.sub(symmetricPower(matrix, -1).mmul(matrix), Matrix.eye(2)).norm(), 0, 1e-14);
    close(spectralNorm(matrix), 3, 1e-14);
  });
});
