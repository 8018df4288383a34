import { kernelModules, sinkhorn, sinkhornDivergence } from '../transport';
import { type Gaussian, gaussianDistance, gaussianMap, gaussianOfPoints } from '../transport/bures';
import { transportOnLine } from '../transport/one-dimensional';
import { type Comparison, TOLERANCE } from './comparison';
import type { Runner } from './runner';

const OPTIONS = { tolerance: 1e-13, maxIterations: 20000, engine: 'float64' } as const;
const flat = (rows: number[][]) => Float64Array.from(rows.flat());

interface UnbalancedAnswer {
  plan: number[][];
  mass: number;
  transport_cost: number;
  row_marginal: number[];
  col_marginal: number[];
  objective: number;
}

interface UnbalancedCase {
  X: number[][];
  Y: number[][];
  a: number[];
  b: number[];
  reg: number;
  reg_m: number;
  entropy_reference: UnbalancedAnswer;
  product_reference: UnbalancedAnswer;
}

interface GaussianCase {
  d: number;
  mean1: number[];
  cov1: number[][];
  mean2: number[];
  cov2: number[][];
  bures_squared: number;
  W2_squared: number;
  map_matrix: number[][];
  map_offset: number[];
}

interface LineCase {
  x: number[];
  y: number[];
  a: number[];
  b: number[];
  W2_squared: number;
  W1: number;
}

interface DivergenceCase {
  X: number[][];
  Y: number[][];
  reg: number;
  empirical_sinkhorn_divergence: number;
}

interface LinearMapCase {
  X: number[][];
  Y: number[][];
  reg: number;
  A: number[][];
  b: number[];
}

/** Small transport problems of several kinds in one file. */
export const transportSmall: Runner = {
  family: 'small transport cases',
  matches: ({ json }) => 'unbalanced' in json || 'one_dimensional' in json || 'gaussian' in json,
  run: (given, compare) => {
    const list = <T>(name: string) => given.part<T[] | undefined>(name) ?? [];
    list<UnbalancedCase>('unbalanced').forEach((item, i) => compareUnbalanced(compare, `unbalanced ${i}`, item));
    list<LineCase>('one_dimensional').forEach((item, i) => {
      const [x, y, a, b] = [item.x, item.y, item.a, item.b].map((values) => Float64Array.from(values));
      const label = `one-dimensional ${i}`;
      compare.entries(`${label}: W2_squared`, transportOnLine(x, y, 2, a, b), item.W2_squared, TOLERANCE.double);
      compare.entries(`${label}: W1`, transportOnLine(x, y, 1, a, b), item.W1, TOLERANCE.double);
    });
    list<GaussianCase>('gaussian').forEach((item, i) => compareGaussian(compare, `gaussian ${i}`, item));
    list<DivergenceCase>('pot_empirical_divergence').forEach((item, i) => {
      const problem = { x: flat(item.X), y: flat(item.Y), dimension: item.X[0].length };
      const { costValue } = sinkhornDivergence(problem, { ...OPTIONS, epsilon: item.reg });
      // POT stops at its own tolerance of 1e-9 on the marginals.
      const name = `divergence of costs ${i}`;
      compare.entries(name, Math.max(0, costValue), item.empirical_sinkhorn_divergence, TOLERANCE.double);
    });
    const map = given.part<LinearMapCase | undefined>('empirical_linear_map');
    if (map) compareLinearMap(compare, map);
  },
};

function compareUnbalanced(compare: Comparison, label: string, item: UnbalancedCase): void {
  for (const reference of ['entropy', 'product'] as const) {
    const expected = item[`${reference}_reference`];
    const problem = {
      ...{ x: flat(item.X), y: flat(item.Y), dimension: item.X[0].length },
      ...{ sourceWeights: item.a, targetWeights: item.b },
    };
    const unbalanced = { penalty: item.reg_m, reference };
    for (const [engine, options, tolerance] of [
      ['float64', OPTIONS, TOLERANCE.double],
      ['float32', { engine: 'float32' }, TOLERANCE.single],
    ] as const) {
      if (engine === 'float32' && !kernelModules()) continue;
      const result = sinkhorn(problem, { ...options, epsilon: item.reg, unbalanced });
      const check = (name: string, actual: ArrayLike<number> | number, wanted: ArrayLike<number> | number) =>
        compare.largest(`${label}, ${reference}, ${engine}: ${name}`, actual, wanted, tolerance);
      check('plan', result.plan, flat(expected.plan));
      check('mass', result.mass, expected.mass);
      check('transport_cost', result.cost, expected.transport_cost);
      check('row_marginal', result.marginals.source, expected.row_marginal);
      check('col_marginal', result.marginals.target, expected.col_marginal);
      check('objective', result.dualValue, expected.objective);
    }
  }
}

function compareGaussian(compare: Comparison, label: string, item: GaussianCase): void {
  const law = (mean: number[], covariance: number[][]): Gaussian => ({
    mean: Float64Array.from(mean),
    covariance: flat(covariance),
  });
  const [p, q] = [law(item.mean1, item.cov1), law(item.mean2, item.cov2)];
  const distance = gaussianDistance(p, q);
  compare.entries(`${label}: bures_squared`, distance.bures, item.bures_squared, TOLERANCE.double);
  compare.entries(`${label}: W2_squared`, distance.squared, item.W2_squared, TOLERANCE.double);
  const map = gaussianMap(p, q);
  compare.largest(`${label}: map_matrix`, map.matrix, flat(item.map_matrix), TOLERANCE.double);
  compare.largest(`${label}: map_offset`, map.offset, item.map_offset, TOLERANCE.double);
}

function compareLinearMap(compare: Comparison, item: LinearMapCase): void {
  const dimension = item.X[0].length;
  const regularised = (points: number[][]): Gaussian => {
    const law = gaussianOfPoints(flat(points), dimension);
    for (let k = 0; k < dimension; k++) law.covariance[k * dimension + k] += item.reg;
    return law;
  };
  const map = gaussianMap(regularised(item.X), regularised(item.Y));
  compare.largest('empirical_linear_map: A', map.matrix, flat(item.A), TOLERANCE.double);
  compare.largest('empirical_linear_map: b', map.offset, item.b, TOLERANCE.double);
}
