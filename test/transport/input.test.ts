import { strict as assert } from 'node:assert';
import { InvalidInputError } from '../../src/runtime/errors';
import {
  barycentricProjection,
  exactTransport,
  jkoStep,
  type SinkhornOptions,
  selfTerm,
  sinkhorn,
  sinkhornDivergence,
  transportOnLine,
} from '../../src/transport';
import type { PointProblem } from '../../src/transport/problem';
import { cloud } from './clouds';

const good: PointProblem = { x: cloud(1, 6, 2), y: cloud(2, 5, 2), dimension: 2 };
const replaced = (points: Float32Array, index: number, value: number) =>
  points.map((v, k) => (k === index ? value : v));

describe('transport refuses wrong input by name', () => {
  const wrong: [string, Partial<PointProblem>, SinkhornOptions, RegExp][] = [
    ['NaN in x', { x: replaced(cloud(1, 6, 2), 3, Number.NaN) }, {}, /points x: got NaN at index 3/],
    ['infinity in y', { y: replaced(cloud(2, 5, 2), 0, Infinity) }, {}, /points y: got Infinity at index 0/],
    ['empty x', { x: new Float32Array(0) }, {}, /Points x: got 0 numbers/],
    ['shape of y', { y: new Float32Array(7) }, {}, /Points y: got 7 numbers with dimension = 2/],
    ['dimension', { dimension: 0 }, {}, /dimension: got 0/],
    ['negative weight', { sourceWeights: Float64Array.of(1, 1, -0.5, 1, 1, 1) }, {}, /got -0.5 at index 2/],
    ['NaN weight', { targetWeights: Float64Array.of(1, Number.NaN, 1, 1, 1) }, {}, /got NaN at index 1/],
    ['no mass', { targetWeights: new Float64Array(5) }, {}, /total mass of 0/],
    ['all masked', { sourceMask: new Uint8Array(6) }, {}, /total mass of 0/],
    ['count of weights', { sourceWeights: new Float64Array(5).fill(1) }, {}, /Weights of the source: got 5 values/],
    ['count of a mask', { targetMask: new Uint8Array(6).fill(1) }, {}, /Mask of the target: got 6 values/],
    ['metric', { metric: 'manhattan' as never }, {}, /Metric: got "manhattan"/],
    ['metric gives NaN', { metric: () => Number.NaN }, {}, /given by the metric: got NaN/],
    ['epsilon 0', {}, { epsilon: 0 }, /epsilon: got 0; expected a finite number > 0/],
    ['epsilon negative', {}, { epsilon: { value: -1, relativeTo: 'mean' } }, /epsilon: got -1/],
    ['epsilon NaN', {}, { epsilon: Number.NaN }, /epsilon: got NaN/],
    ['annealing factor', {}, { epsilon: { value: 1, anneal: { factor: 1 } } }, /anneal.factor: got 1/],
    ['tolerance', {}, { tolerance: -1 }, /tolerance: got -1/],
    ['iterations', {}, { maxIterations: 0 }, /maxIterations: got 0/],
    ['method', {}, { method: 'newton' as never }, /method: got newton; expected auto \| scaling \| log/],
    ['engine', {}, { engine: 'gpu' as never }, /engine: got gpu/],
    ['threads', {}, { threads: 1.5 }, /threads: got 1.5/],
    ['penalty', {}, { unbalanced: { penalty: 0 } }, /unbalanced.penalty: got 0/],
    ['start', {}, { start: { g: new Float64Array(4) } }, /start.g: got 4 values; expected 5 values/],
    ['start NaN', {}, { start: { f: new Float64Array(6).fill(Number.NaN) } }, /start.f: got NaN at index 0/],
  ];
  for (const [name, problem, options, message] of wrong) {
    it(name, () => {
      for (const engine of options.engine ? [options.engine] : (['auto', 'float64'] as const)) {
        assert.throws(
          () => sinkhorn({ ...good, ...problem } as PointProblem, { engine, ...options }),
          (error: Error) => error instanceof InvalidInputError && message.test(error.message),
        );
      }
    });
  }

  it('cost matrices, batches, projections, cached self terms, exact transport, the line, steps', () => {
    const refused = (run: () => unknown, message: RegExp) =>
      assert.throws(run, (error: Error) => error instanceof InvalidInputError && message.test(error.message));
    refused(
      () => sinkhorn({ cost: new Float64Array(6), rows: 2, columns: 4 }),
      /6 numbers; expected rows x columns = 2 x 4/,
    );
    refused(() => sinkhorn({ cost: Float64Array.of(1, Number.NaN), rows: 1, columns: 2 }), /cost: got NaN at index 1/);
    refused(() => barycentricProjection(sinkhorn(good), new Float64Array(4), 1), /got 4 numbers with width = 1/);
    const self = selfTerm(good.y, 2, undefined, { epsilon: 1 });
    refused(() => sinkhornDivergence(good, { epsilon: 2 }, self), /epsilon = 1; expected epsilon = 2/);
    const heavy = { ...good, sourceWeights: new Float64Array(6).fill(1) };
    refused(() => exactTransport(heavy), /equal total masses/);
    refused(() => transportOnLine(cloud(1, 3, 1), cloud(2, 3, 1), 0.5), /power: got 0.5/);
    refused(() => jkoStep(good, { eta: 0 }), /eta: got 0/);
    refused(
      () => jkoStep(good, { eta: 1, anchor: { points: new Float64Array(3), weight: 1 } }),
      /got 3 numbers, weight 1/,
    );
  });

  it('unequal masses are a status with a remedy, not an error: potentials stay finite', () => {
    for (const engine of ['auto', 'float64'] as const) {
      const result = sinkhorn({ ...good, sourceWeights: new Float64Array(6).fill(1) }, { engine, maxIterations: 30 });
      assert.equal(result.status, 'unequal-mass');
      assert.match(result.remedy, /unbalanced: \{ penalty \}/);
      assert.ok([...result.f, ...result.g, result.cost].every(Number.isFinite));
    }
  });

  it('too few iterations and too much precision are statuses with remedies', () => {
    const result = sinkhorn(good, { maxIterations: 2, epsilon: { value: 0.01, relativeTo: 'mean' } });
    assert.equal(result.status, 'max-iterations');
    assert.match(result.remedy, /anneal/);
    const precise = sinkhorn(good, { tolerance: 0, engine: 'float32', epsilon: { value: 0.5, relativeTo: 'mean' } });
    // tolerance 0 may be met by chance (an exact fixed point of float32); else the limit is named
    assert.ok(precise.status === 'converged' || precise.status === 'precision-limit', precise.status);
  });
});
