import { InvalidInputError } from '../runtime/errors';

/** Row-major numbers in either precision. */
export type NumberArray = Float32Array | Float64Array;

/** Cost between two points: a name, or any function of two points of `dimension` numbers that returns a finite number. */
export type Metric = 'squared-euclidean' | 'euclidean' | 'cosine' | ((x: NumberArray, y: NumberArray) => number);

/** Weights of the two sides; both default to uniform, and need not sum to one in unbalanced problems. */
export interface Marginals {
  /** [n] masses >= 0 of the source points; default 1/n each (over the points that the mask keeps). */
  sourceWeights?: NumberArray;
  /** [m] masses >= 0 of the target points; default 1/m each. */
  targetWeights?: NumberArray;
  /** [n] 1 keeps a source point, 0 gives it no mass. */
  sourceMask?: Uint8Array;
  /** [m] 1 keeps a target point, 0 gives it no mass. */
  targetMask?: Uint8Array;
}

/** Two point clouds and a cost between points (default: the squared Euclidean distance, not halved). */
export interface PointProblem extends Marginals {
  /** [n, dimension] source points. */
  x: NumberArray;
  /** [m, dimension] target points. */
  y: NumberArray;
  dimension: number;
  metric?: Metric;
}

/** A cost matrix [rows, columns] of finite numbers. */
export interface MatrixProblem extends Marginals {
  cost: NumberArray;
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
  if ('cost' in problem) {
    const { cost, rows, columns } = problem;
    requirePositiveInteger('rows', rows);
    requirePositiveInteger('columns', columns);
    if (cost.length !== rows * columns) {
      throw new InvalidInputError('Cost matrix', {
        given: `${cost.length} numbers`,
        expected: `rows x columns = ${rows} x ${columns} = ${rows * columns}`,
        remedy: 'Pass the matrix row-major, with its own shape.',
      });
    }
    requireFinite('cost', cost);
    return { n: rows, m: columns, source: { kind: 'matrix', values: cost }, ...weights(problem, rows, columns) };
  }
  const { x, y, dimension, metric = 'squared-euclidean' } = problem;
  requirePositiveInteger('dimension', dimension);
  const n = countPoints('x', x, dimension);
  const m = countPoints('y', y, dimension);
  const masses = weights(problem, n, m);
  if (metric === 'squared-euclidean') return { n, m, source: { kind: 'points', x, y, dimension }, ...masses };
  const values = metricMatrix(x, y, dimension, metric);
  requireFinite('cost given by the metric', values);
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

function countPoints(name: string, points: NumberArray, dimension: number): number {
  if (points.length === 0 || points.length % dimension !== 0) {
    throw new InvalidInputError(`Points ${name}`, {
      given: `${points.length} numbers with dimension = ${dimension}`,
      expected: 'a positive multiple of the dimension',
      remedy: 'Pass points row-major as [count, dimension]; an empty cloud has no transport.',
    });
  }
  requireFinite(`points ${name}`, points);
  return points.length / dimension;
}

function metricMatrix(x: NumberArray, y: NumberArray, d: number, metric: Exclude<Metric, 'squared-euclidean'>) {
  const between = typeof metric === 'function' ? metric : NAMED[metric];
  if (!between) {
    throw new InvalidInputError('Metric', {
      given: JSON.stringify(metric),
      expected: "'squared-euclidean', 'euclidean', 'cosine' or a function (x, y) => number",
      remedy: 'Use one of these names, or pass the cost matrix itself.',
    });
  }
  const n = x.length / d;
  const m = y.length / d;
  const out = new Float64Array(n * m);
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
    a: oneSide('source', problem.sourceWeights, problem.sourceMask, n),
    b: oneSide('target', problem.targetWeights, problem.targetMask, m),
  };
}

function oneSide(side: string, given: NumberArray | undefined, mask: Uint8Array | undefined, count: number) {
  for (const [name, array] of [
    ['Weights', given],
    ['Mask', mask],
  ] as const) {
    if (array && array.length !== count) {
      throw new InvalidInputError(`${name} of the ${side}`, {
        given: `${array.length} values`,
        expected: `one for each of the ${count} points`,
        remedy: 'Give one value per point, or leave the field out.',
      });
    }
  }
  const out = new Float64Array(count);
  const uniform = 1 / (mask ? mask.reduce((sum, keep) => sum + (keep ? 1 : 0), 0) : count);
  let total = 0;
  for (let i = 0; i < count; i++) {
    const weight = mask && !mask[i] ? 0 : given ? given[i] : uniform;
    if (!(weight >= 0 && weight < Infinity)) {
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

function requireFinite(what: string, values: NumberArray): void {
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i])) {
      throw new InvalidInputError(`Transport problem, ${what}`, {
        given: `${values[i]} at index ${i}`,
        expected: 'finite numbers only',
        remedy: 'Remove or repair the entry; to forbid a pair give it a large finite cost.',
      });
    }
  }
}

function requirePositiveInteger(name: string, value: number): void {
  if (!Number.isInteger(value) || value < 1) {
    throw new InvalidInputError(`Transport problem, ${name}`, {
      given: String(value),
      expected: 'an integer >= 1',
      remedy: 'State the shape of the arrays that you pass.',
    });
  }
}
