import { strict as assert } from 'node:assert';
import fc from 'fast-check';
import { foldIn, key, normal } from '../../src/runtime/random';
import {
  checkProposition2,
  checkTheorem3,
  checkTheorem3Bias,
  checkTheorem3Convexity,
  checkTheorem3Generalised,
  checkTheorem3Particles,
  checkTheorem3Redrawn,
  convexityExcess,
  numericalStep,
} from '../../src/theory/convergence';
import { tailRate } from '../../src/theory/decay';
import {
  anchorBias,
  bumps,
  entropicFlow,
  eulerRate,
  type JointGaussian,
  jointEnergy,
  jointStep,
  particleFlow,
  proximalRate,
  randomGaussian,
} from '../../src/theory/gradient-flow';
import { checkSinkhorn } from '../../src/theory/matrix-scaling';
import { eulerGaussian, gaussianBarycentre, gaussianDistance } from '../../src/transport/core';

const near = (got: number, expected: number, tolerance: number) =>
  assert.ok(Math.abs(got - expected) <= tolerance, `${got} is not ${expected} +- ${tolerance}`);

const gaussian1 = (mean: number, variance: number) => ({
  mean: Float64Array.of(mean),
  covariance: Float64Array.of(variance),
});

describe('theory/gradient-flow (Proposition 2, Theorem 3)', () => {
  it('one joint step on the line, worked by hand', () => {
    // c ~ N(1, 4), r ~ N(3, 1), Cov = 0.5; target N(0, 1): T c = (c - 1) / 2. eta = 0.5, lambda = 1: c' = (Tc + r + c) / 3.
    const joint = { condition: gaussian1(1, 4), anchor: gaussian1(3, 1), cross: Float64Array.of(0.5) };
    const next = jointStep(joint, gaussian1(0, 1), 0.5, 1);
    near(next.condition.mean[0], (0 + 3 + 1) / 3, 1e-12);
    // c' = c / 2 + r / 3 + const: variance 4/4 + 1/9 + 2 * 0.5 / 6, covariance with r 0.5 / 2 + 1 / 3.
    near(next.condition.covariance[0], 1 + 1 / 9 + 1 / 6, 1e-12);
    near(next.cross[0], 0.25 + 1 / 3, 1e-12);
    // F = (1 - 0)^2 + (2 - 1)^2 + (1 - 3)^2 + 4 + 1 - 2 * 0.5
    near(jointEnergy(joint, gaussian1(0, 1), 1), 2 + 8, 1e-12);
  });

  it('without anchor a joint step is the JKO step: rho = 1 / (1 + 2 eta)', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1000 }), fc.double({ min: 0.05, max: 5, noNaN: true }), (seed, eta) => {
        const target = randomGaussian(foldIn(key(seed), 1), 3);
        const condition = randomGaussian(foldIn(key(seed), 2), 3);
        const joint = { condition, anchor: condition, cross: condition.covariance };
        const next = jointStep(joint, target, eta, 0).condition;
        const ratio = gaussianDistance(next, target).squared / gaussianDistance(condition, target).squared;
        near(Math.sqrt(ratio), proximalRate(eta), 1e-6);
      }),
      { numRuns: 40 },
    );
  });

  it('explicit Euler contracts by |1 - 2 eta| while it is monotone', () => {
    const [p, q] = [randomGaussian(key(1), 2), randomGaussian(key(2), 2)];
    const before = Math.sqrt(gaussianDistance(p, q).squared);
    for (const eta of [0.1, 0.3, 0.45]) {
      near(Math.sqrt(gaussianDistance(eulerGaussian(p, q, eta), q).squared) / before, eulerRate(eta), 1e-6);
    }
    assert.ok(eulerRate(1.2) > 1 && proximalRate(1.2) < 1);
  });

  it('with an anchor the flow ends at the barycentre, whatever eta, and its energy never rises', () => {
    const target = randomGaussian(key(3), 2);
    const anchor = randomGaussian(key(4), 2);
    const lambda = 0.7;
    const centre = gaussianBarycentre([target, anchor], [1, lambda]);
    for (const eta of [0.2, 2]) {
      let joint: JointGaussian = { condition: randomGaussian(key(5), 2), anchor, cross: new Float64Array(4) };
      let energy = jointEnergy(joint, target, lambda);
      for (let step = 0; step < 400; step++) {
        joint = jointStep(joint, target, eta, lambda);
        const next = jointEnergy(joint, target, lambda);
        assert.ok(next <= energy + 1e-12);
        energy = next;
      }
      near(gaussianDistance(joint.condition, centre).squared, 0, 1e-8);
      near(Math.sqrt(gaussianDistance(joint.condition, target).squared), anchorBias(target, anchor, lambda), 1e-6);
    }
  });

  it('particles contract by rho at every step, and their energy with an anchor never rises', () => {
    const start = normal(key(6), 80);
    const target = bumps(key(7), 40, 3, 2);
    const { distances } = particleFlow(start, target, { dimension: 2, eta: 0.5, steps: 6 });
    for (let step = 0; step < 6; step++) near(distances[step + 1] / distances[step], 0.5, 1e-9);
    near(tailRate(distances, 0), 0.5, 1e-9);
    const anchored = particleFlow(start, target, { dimension: 2, eta: 0.5, steps: 6, lambda: 1 });
    for (let step = 0; step < 6; step++) {
      const spent = anchored.displacements[step] / (2 * 0.5);
      assert.ok(anchored.energies[step + 1] + spent <= anchored.energies[step] + 1e-12);
    }
    assert.ok(anchored.distances[6] > 0.2 * anchored.distances[0]); // held back by its anchors
  });

  it('Sinkhorn steps contract by rho at first and end at a floor that debiasing lowers', () => {
    const start = normal(key(8), 120);
    const target = bumps(key(9), 60, 3, 2);
    const options = { dimension: 2, eta: 0.5, epsilon: { value: 0.1, relativeTo: 'mean' as const } };
    const plain = entropicFlow(start, target, 12, options);
    const debiased = entropicFlow(start, target, 12, { ...options, debiased: true });
    assert.equal(plain[0], debiased[0]);
    assert.ok(plain[12] > 0.1 * plain[0], `${plain[12]}`); // entropy shrinks the cloud towards barycentres
    assert.ok(debiased[12] < 0.7 * plain[12], `${debiased[12]}`);
  });

  it('a JKO step minimised numerically is the closed-form step, and no competitor is lower', () => {
    const target = bumps(key(3), 12, 3, 3);
    const start = normal(key(4), 24);
    const options = { dimension: 2, eta: 0.5, source: key(5) };
    const { points, gradient } = numericalStep(start, target, options);
    assert.ok(gradient < 1e-10, `${gradient}`);
    const [, closed] = particleFlow(start, target, { dimension: 2, eta: 0.5, steps: 1 }).clouds;
    // Gradient descent with a contraction of 2/3 per iterate ends at 1e-12.
    points.forEach((x, k) => assert.ok(Math.abs(x - closed[k]) < 1e-9, `${x} ${closed[k]}`));
  });

  it('Theorem 3 fails for a rate that is not 1 / (1 + 2 eta)', () => {
    assert.equal(checkTheorem3({ rate: (eta) => 1 / (1 + eta) }).verdict, 'fails');
    assert.equal(checkTheorem3({ rate: (eta) => 1.001 / (1 + 2 * eta) }).verdict, 'fails');
  });

  it('with r drawn again the flow reaches the target only without lambda', () => {
    assert.equal(checkTheorem3Redrawn().verdict, 'fails');
    assert.equal(checkTheorem3Redrawn({ lambda: 0 }).verdict, 'holds');
  });

  it('the counterexample to convexity: 4, 5, 4 along the geodesic, and none along the generalised one', () => {
    const clouds = [
      [0, 1, 0, -1],
      [2, 1, -2, -1],
      [2, -1, -2, 1],
    ].map((points) => Float64Array.from(points));
    const triple = [clouds[0], clouds[1], clouds[2]] as const;
    // 5 - (4 + 4) / 2 + |x_0 - x_1|^2 / 4 with points moved by 2: (1 + 1) / 8.
    assert.ok(Math.abs(convexityExcess(triple, 'plain') - 0.25) < 1e-12);
    assert.ok(convexityExcess(triple, 'generalised') < 1e-12);
    assert.equal(checkTheorem3Convexity().verdict, 'fails');
    assert.equal(checkTheorem3Generalised({ path: 'plain' }).verdict, 'fails');
  });

  for (const seed of [0, 1, 2]) {
    it(`the checks hold, seed ${seed}`, () => {
      for (const check of [
        checkProposition2,
        checkTheorem3,
        checkTheorem3Particles,
        checkTheorem3Bias,
        checkTheorem3Generalised,
        checkSinkhorn,
      ]) {
        assert.equal(check({ seed }).verdict, 'holds', check.name);
      }
    });
  }
});
