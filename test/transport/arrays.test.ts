import { strict as assert } from 'node:assert';
import { InvalidInputError } from '../../src/runtime/errors';
import {
  barycentricProjection,
  divergenceGradient,
  exactTransport,
  gaussianBarycentre,
  gaussianDistance,
  gaussianGeodesic,
  gaussianMap,
  gaussianOfPoints,
  gaussianSinkhorn,
  jkoStep,
  type Numbers,
  sinkhorn,
  sinkhornDivergence,
  transportOnLine,
} from '../../src/transport';

type Convert = (values: number[]) => Numbers;

/** Every public function on the same whole numbers, given in arrays made by `as`. */
const uses: Record<string, (as: Convert, engine: 'float32' | 'float64') => unknown> = {
  'points, weights, masks': (as, engine) => {
    const { f, g } = sinkhorn(
      {
        ...{ x: as([0, 0, 1, 0, 0, 1]), y: as([3, 3, 4, 3, 3, 5]), dimension: 2 },
        ...{ sourceWeights: as([1, 2, 1]), targetWeights: as([2, 1, 1]), targetMask: as([1, 1, 1]) },
      },
      { engine },
    );
    return [f, g];
  },
  'a cost matrix, start potentials': (as, engine) => {
    const start = { f: as([1, 0]), g: as([0, 2, 1]) };
    const { f, g } = sinkhorn({ cost: as([0, 1, 2, 2, 1, 0]), rows: 2, columns: 3 }, { engine, start });
    return [f, g];
  },
  'a cloud against itself': (as, engine) => {
    const x = as([0, 0, 1, 0, 0, 1]);
    const { f, settings } = sinkhorn({ x, y: x, dimension: 2 }, { engine });
    return [f, settings.symmetric];
  },
  'values to transport': (as, engine) => {
    const result = sinkhorn({ x: as([0, 1]), y: as([2, 5]), dimension: 1 }, { engine });
    return [result.apply(as([1, 2]), 1), barycentricProjection(result, as([1, 2]))];
  },
  divergence: (as, engine) => {
    const divergence = sinkhornDivergence({ x: as([0, 1, 3]), y: as([2, 5]), dimension: 1 }, { engine });
    return [divergence.value, divergenceGradient(divergence)];
  },
  'a particle step': (as, engine) =>
    jkoStep(
      { x: as([0, 1, 3]), y: as([2, 5]), dimension: 1 },
      { eta: 0.5, engine, debiased: true, anchor: { points: as([0, 1, 3]), weight: 1 } },
    ).points,
  'exact and one-dimensional': (as) => [
    exactTransport({ x: as([0, 1]), y: as([2, 5]), dimension: 1, sourceWeights: as([1, 1]), targetWeights: as([1, 1]) })
      .plan,
    transportOnLine(as([0, 1]), as([2, 5]), 2, as([1, 1]), as([1, 1])),
  ],
  Gaussians: (as) => {
    const p = { mean: as([0, 1]), covariance: as([2, 1, 1, 2]) };
    const q = { mean: as([3, 1]), covariance: as([1, 0, 0, 3]) };
    return [
      ...[gaussianDistance(p, q), gaussianMap(p, q), gaussianGeodesic(p, q, 0.5), gaussianSinkhorn(p, q, 1)],
      ...[gaussianBarycentre([p, q], as([1, 3])), gaussianOfPoints(as([0, 1, 2, 5]), 2, as([1, 1]))],
    ];
  },
};

describe('arrays of numbers', () => {
  const kinds: Record<string, Convert> = {
    'plain arrays': (values) => values,
    Int32Array: (values) => Int32Array.from(values),
    Uint8Array: (values) => Uint8Array.from(values),
  };
  for (const [name, use] of Object.entries(uses)) {
    for (const engine of ['float32', 'float64'] as const) {
      it(`${name}, ${engine}: any kind gives what Float64Array gives`, () => {
        const expected = use((values) => Float64Array.from(values), engine);
        for (const [kind, as] of Object.entries(kinds)) assert.deepEqual(use(as, engine), expected, kind);
      });
    }
  }

  const wrong: Record<string, (values: number[]) => unknown> = {
    null: () => null,
    'a string': (values) => values.join(),
    'an object': (values) => ({ ...values, length: values.length }),
    'a number': (values) => values[0],
    'a DataView': () => new DataView(new ArrayBuffer(8)),
    strings: (values) => values.map(String),
    bigints: (values) => BigInt64Array.from(values.map(BigInt)),
    'rows of numbers': (values) => values.map((value) => [value]),
    'an empty place': (values) => values.map((value, i) => (i === 0 ? undefined : value)),
    NaN: (values) => values.map((value, i) => (i === 0 ? Number.NaN : value)),
    infinity: (values) => values.map((value, i) => (i === 0 ? Infinity : value)),
    'one too many': (values) => [...values, 1],
  };
  for (const [kind, spoil] of Object.entries(wrong)) {
    it(`${kind} in any place is refused by name, in every engine alike`, () => {
      for (const [name, use] of Object.entries(uses)) {
        for (const engine of ['float32', 'float64'] as const) {
          let places = 0;
          use((values) => Array(places++).fill(0) && values, engine);
          for (let place = 0; place < places; place++) {
            let at = 0;
            const run = () => use((values) => (at++ === place ? (spoil(values) as Numbers) : values), engine);
            // One more point of a cloud on the line is no fault.
            if (kind === 'one too many' && !throws(run)) continue;
            at = 0;
            assert.throws(run, InvalidInputError, `${name}, ${engine}, array ${place}`);
          }
        }
      }
    });
  }

  it('numbers that are not: epsilon, eta, power, scheme and the like', () => {
    const problem = { x: [0, 1], y: [2, 5], dimension: 1 };
    const odd = [null, '1', 1n, Number.NaN, {}] as never[];
    const law = { mean: [0], covariance: [1] };
    for (const value of odd) {
      const runs = [
        () => sinkhorn(value),
        () => sinkhorn({ ...problem, dimension: value }),
        () => sinkhorn({ ...problem, metric: value }),
        () => sinkhorn({ ...problem, metric: () => value }),
        () => sinkhorn(problem, { epsilon: value }),
        () => sinkhorn(problem, { epsilon: { value } }),
        () => sinkhorn(problem, { epsilon: { value: 1, relativeTo: value === null ? ('std' as never) : value } }),
        () => sinkhorn(problem, { epsilon: { value: 1, anneal: { from: value } } }),
        () => sinkhorn(problem, { epsilon: { value: 1, anneal: { factor: value } } }),
        () => sinkhorn(problem, { tolerance: value }),
        () => sinkhorn(problem, { maxIterations: value }),
        () => sinkhorn(problem, { unbalanced: { penalty: { source: value, target: 1 } } }),
        () => sinkhorn(problem).apply([1, 2], value),
        () => jkoStep(problem, { eta: value }),
        () => jkoStep(problem, { eta: 1, scheme: value }),
        () => jkoStep(problem, { eta: 1, anchor: { points: [0, 1], weight: value } }),
        () => transportOnLine([0, 1], [2, 5], value),
        () => gaussianDistance(value, law),
        () => gaussianGeodesic(law, law, value),
        () => gaussianSinkhorn(law, law, value),
        () => gaussianBarycentre(value),
        () => gaussianOfPoints([0, 1], value),
      ];
      runs.forEach((run, k) => {
        if (k === 4 && value === null) return; // null, like undefined, leaves an option out
        assert.throws(run, InvalidInputError, `${run} with ${String(value)}`);
      });
    }
  });

  it('costs that leave the range of float64, and float32 points whose squares leave that of float32', () => {
    assert.throws(() => sinkhorn({ x: [1e200], y: [-1e200], dimension: 1 }, { epsilon: 1 }), InvalidInputError);
    assert.throws(
      () => sinkhorn({ cost: [1.7e308, -1.7e308], rows: 1, columns: 2 }, { epsilon: 1 }),
      InvalidInputError,
    );
    const points = (scale: number, shift: number) =>
      Float32Array.from({ length: 64 * 4 }, (_, k) => scale * (((k * 7) % 11) + shift));
    const unit = sinkhorn({ x: points(1, 0), y: points(1, 1), dimension: 64 }, { engine: 'float32' });
    for (const scale of [2 ** 66, 2 ** -80]) {
      // Powers of two scale exactly: the plan is the same.
      const result = sinkhorn({ x: points(scale, 0), y: points(scale, 1), dimension: 64 }, { engine: 'float32' });
      result.plan.forEach((p, k) => assert.ok(Math.abs(p - unit.plan[k]) < 1e-5, `${scale}: ${p} ${unit.plan[k]}`));
    }
  });
});

function throws(run: () => unknown): boolean {
  try {
    run();
    return false;
  } catch {
    return true;
  }
}
