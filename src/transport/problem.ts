import { InvalidInputError } from '../runtime/errors';
import { finiteNumbers, type NumberArray, type Numbers, requireArray, requirePositiveInteger, shown } from './numbers';

/** Cost between two points: a name, or any function of two points of `dimension` numbers that returns a finite number. */
export type Metric = 'squared-euclidean' | 'euclidean' | 'cosine' | ((x: NumberArray, y: NumberArray) => number);

/** Weights of the two sides; both default to uniform, and need not sum to one in unbalanced problems. */
export interface Marginals {
  /** [n] masses >= 0 of the source points; default 1/n each (over the points that the mask keeps). */
  sourceWeights?: Numbers;
  /** [m] masses >= 0 of the target points; default 1/m each. */
  targetWeights?: Numbers;
  /** [n] 1 (or true) keeps a source point, 0 (or false) gives it no mass. */
  sourceMask?: ArrayLike<number | boolean>;
  /** [m] 1 (or true) keeps a target point, 0 (or false) gives it no mass. */
  targetMask?: ArrayLike<number | boolean>;
}

/** Two point clouds and a cost between points (default: the squared Euclidean distance, not halved). */
export interface PointProblem extends Marginals {
  /** [n, dimension] source points. */
  x: Numbers;
  /** [m, dimension] target points. */
  y: Numbers;
  dimension: number;
  metric?: Metric;
}

/** A cost matrix [rows, columns] of finite numbers. */
export interface MatrixProblem extends Marginals {
  cost: Numbers;
  rows: number;
  columns: number;
}

export type TransportProblem = PointProblem | MatrixProblem;

/** Where costs come from: squared distances of points, computed row by row and never stored, or a stored matrix. */
export type CostSource = PointSource | { kind: 'matrix'; values: NumberArray };
export interface PointSource {
  kind: 'points';
  x: NumberArray;
  y: NumberArray;
  dimension: number;
}

/** A validated problem with its weights filled in. */
export interface PreparedProblem {
  /** Number of source points. */
  n: number;
  /** Number of target points. */
  m: number;
  source: CostSource;
  /** [n] source masses. */
  a: Float64Array;
  /** [m] target masses. */
  b: Float64Array;
}

/**
 * Validates a problem and fills in its weights.
 * @throws InvalidInputError for empty or non-finite input, negative or all-zero weights, shapes that do not fit.
 */
export function prepareProblem(problem: TransportProblem): PreparedProblem {
  if (typeof problem !== 'object' || problem === null) {
    throw new InvalidInputError('Transport problem', {
      given: shown(problem),
      expected: '{ x, y, dimension } or { cost, rows, columns }',
      remedy: 'Pass the points, or the cost matrix, as one object.',
    });
  }
  if ('cost' in problem) {
    const { rows, columns } = problem;
    requirePositiveInteger('Transport problem, rows', rows);
    requirePositiveInteger('Transport problem, columns', columns);
    const cost = finiteNumbers('Transport problem, cost', problem.cost);
    if (cost.length !== rows * columns) {
      throw new InvalidInputError('Cost matrix', {
        given: `${cost.length} numbers`,
        expected: `rows x columns = ${rows} x ${columns} = ${rows * columns}`,
        remedy: 'Pass the matrix row-major, with its own shape.',
      });
    }
    requireInRange('cost', largestSize(cost));
    return { n: rows, m: columns, source: { kind: 'matrix', values: cost }, ...weights(problem, rows, columns) };
  }
  const { dimension, metric = 'squared-euclidean' } = problem;
  requirePositiveInteger('Transport problem, dimension', dimension);
  const x = pointsOf('x', problem.x, dimension);
  const y = problem.y === problem.x ? x : pointsOf('y', problem.y, dimension); // a cloud against itself stays one
  const [n, m] = [x.length / dimension, y.length / dimension];
  const masses = weights(problem, n, m);
  if (metric === 'squared-euclidean') {
    requireInRange('squared distances', dimension * (largestSize(x) + largestSize(y)) ** 2);
    return { n, m, source: { kind: 'points', x, y, dimension }, ...masses };
  }
  const values = finiteNumbers('Transport problem, cost given by the metric', metricMatrix(x, y, dimension, metric));
  requireInRange('cost given by the metric', largestSize(values));
  return { n, m, source: { kind: 'matrix', values }, ...masses };
}

/** Sum of masses. */
export function total(masses: Float64Array): number {
  let sum = 0;
  for (const mass of masses) sum += mass;
  return sum;
}

/** Writes row `i` of the cost matrix, in float64, to `out` [m]. */
export function costRow({ source, m }: Pick<PreparedProblem, 'source' | 'm'>, i: number, out: Float64Array): void {
  if (source.kind === 'matrix') {
    const offset = i * m;
    for (let j = 0; j < m; j++) out[j] = source.values[offset + j];
    return;
  }
  const { x, y, dimension } = source;
  const xAt = i * dimension;
  for (let j = 0, yAt = 0; j < m; j++, yAt += dimension) {
    let sum = 0;
    for (let k = 0; k < dimension; k++) {
      const difference = x[xAt + k] - y[yAt + k];
      sum += difference * difference;
    }
    out[j] = sum;
  }
}

/** Potentials add and subtract costs, all of which must stay in the range of float64. */
const LARGEST_COST = 1e300;

function requireInRange(what: string, largest: number): void {
  if (largest <= LARGEST_COST) return;
  throw new InvalidInputError(`Transport problem, ${what}`, {
    given: `up to ${largest}`,
    expected: `at most ${LARGEST_COST}`,
    remedy: 'Scale the costs or the points down.',
  });
}

function largestSize(values: NumberArray): number {
  let largest = 0;
  for (let i = 0; i < values.length; i++) largest = Math.max(largest, Math.abs(values[i]));
  return largest;
}

/**
 * Points [count, dimension] as engines take them.
 * @throws InvalidInputError for anything but a positive whole number of rows of finite numbers.
 */
export function pointsOf(name: string, given: Numbers, dimension: number): NumberArray {
  const points = finiteNumbers(`Transport problem, points ${name}`, given);
  if (points.length === 0 || points.length % dimension !== 0) {
    throw new InvalidInputError(`Points ${name}`, {
      given: `${points.length} numbers with dimension = ${dimension}`,
      expected: 'a positive multiple of the dimension',
      remedy: 'Pass points row-major as [count, dimension]; an empty cloud has no transport.',
    });
  }
  return points;
}

function metricMatrix(x: NumberArray, y: NumberArray, d: number, metric: Exclude<Metric, 'squared-euclidean'>) {
  const between = typeof metric === 'function' ? metric : NAMED[metric];
  if (!between) {
    throw new InvalidInputError('Metric', {
      given: shown(metric),
      expected: "'squared-euclidean', 'euclidean', 'cosine' or a function (x, y) => number",
      remedy: 'Use one of these names, or pass the cost matrix itself.',
    });
  }
  const n = x.length / d;
  const m = y.length / d;
  const out: number[] = []; // whatever the metric gives is checked before it is converted
  for (let i = 0; i < n; i++) {
    const from = x.subarray(i * d, (i + 1) * d);
    for (let j = 0; j < m; j++) out[i * m + j] = between(from, y.subarray(j * d, (j + 1) * d));
  }
  return out;
}

const NAMED: Record<string, (x: NumberArray, y: NumberArray) => number> = {
  euclidean: (x, y) => {
    let sum = 0;
    for (let k = 0; k < x.length; k++) sum += (x[k] - y[k]) ** 2;
    return Math.sqrt(sum);
  },
  cosine: (x, y) => {
    let xy = 0;
    let xx = 0;
    let yy = 0;
    for (let k = 0; k < x.length; k++) {
      xy += x[k] * y[k];
      xx += x[k] * x[k];
      yy += y[k] * y[k];
    }
    return 1 - xy / Math.sqrt(xx * yy);
  },
};

function weights(problem: Marginals, n: number, m: number): { a: Float64Array; b: Float64Array } {
  return {
    a: massesOf('source', problem.sourceWeights, problem.sourceMask, n),
    b: massesOf('target', problem.targetWeights, problem.targetMask, m),
  };
}

/**
 * Masses [count] from weights (default uniform, of total mass one) and a mask.
 * @throws InvalidInputError for wrong kinds or counts, negative weights, or no mass at all.
 */
export function massesOf(
  side: string,
  weights: Marginals['sourceWeights'],
  mask: Marginals['sourceMask'],
  count: number,
): Float64Array {
  for (const [name, array] of [
    ['Weights', weights],
    ['Mask', mask],
  ] as const) {
    if (array === undefined) continue;
    requireArray(`${name} of the ${side}`, array);
    if (array.length !== count) {
      throw new InvalidInputError(`${name} of the ${side}`, {
        given: `${array.length} values`,
        expected: `one for each of the ${count} points`,
        remedy: 'Give one value per point, or leave the field out.',
      });
    }
  }
  const given = weights && finiteNumbers(`Weights of the ${side}`, weights);
  const keeps = (i: number) => mask === undefined || Boolean(mask[i]);
  let kept = 0;
  for (let i = 0; i < count; i++) {
    if (mask && typeof mask[i] !== 'boolean' && !Number.isFinite(mask[i])) {
      throw new InvalidInputError(`Mask of the ${side}`, {
        given: `${shown(mask[i])} at index ${i}`,
        expected: '1 or true, 0 or false',
        remedy: 'Mark what is kept by 1, the rest by 0.',
      });
    }
    if (keeps(i)) kept++;
  }
  const out = new Float64Array(count);
  let total = 0;
  for (let i = 0; i < count; i++) {
    const weight = !keeps(i) ? 0 : given ? given[i] : 1 / kept;
    if (weight < 0) {
      throw new InvalidInputError(`Weights of the ${side}`, {
        given: `${weight} at index ${i}`,
        expected: 'finite numbers >= 0',
        remedy: 'Correct the weight; 0 takes a point out of the problem.',
      });
    }
    out[i] = weight;
    total += weight;
  }
  if (!(total > 0 && total < Infinity)) {
    throw new InvalidInputError(`Weights of the ${side}`, {
      given: `a total mass of ${total}`,
      expected: 'a finite total mass > 0',
      remedy: 'Keep at least one point with a positive weight.',
    });
  }
  return out;
}
