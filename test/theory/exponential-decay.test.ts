import { strict as assert } from 'node:assert';
import fc from 'fast-check';
import { Matrix } from 'ml-matrix';
import { meanWithError } from '../../src/metrics/confidence';
import { InvalidInputError } from '../../src/runtime/errors';
import { foldIn, key, normal } from '../../src/runtime/random';
import {
  chainMoments,
  coefficientsFromRoots,
  simulateChain,
  spectralRadius,
  stationaryVariance,
  transientConstant,
} from '../../src/theory/autoregression';
import { fitDecay, halfLife, tailRate } from '../../src/theory/decay';
import {
  checkTheorem2,
  checkTheorem2Control,
  checkTheorem2Law,
  coupledNonlinearChain,
  decayProblem,
  distanceToStationarity,
  scoreNorms,
  scoreShifts,
  theoremEnvelope,
  totalVariation,
} from '../../src/theory/exponential-decay';

const near = (got: number, expected: number, tolerance: number) =>
  assert.ok(Math.abs(got - expected) <= tolerance, `${got} is not ${expected} +- ${tolerance}`);

describe('theory/autoregression', () => {
  it('spectral radius of real roots and of a complex pair', () => {
    near(spectralRadius(coefficientsFromRoots([0.9, -0.4, 0.3])), 0.9, 1e-12);
    // z^2 - 2 r cos(w) z + r^2 has the pair r exp(+-iw).
    near(spectralRadius([2 * 0.8 * Math.cos(1), -0.64]), 0.8, 1e-12);
  });

  it('stationary variance of AR(1) and AR(2) in closed form', () => {
    near(stationaryVariance({ coefficients: [0.9], noise: 0.5, start: [1] }), 0.25 / 0.19, 1e-12);
    // Box and Jenkins: (1 - a2) / ((1 + a2) ((1 - a2)^2 - a1^2)).
    const [a1, a2] = [0.5, 0.3];
    near(
      stationaryVariance({ coefficients: [a1, a2], noise: 1, start: [1] }),
      (1 - a2) / ((1 + a2) * ((1 - a2) ** 2 - a1 ** 2)),
      1e-12,
    );
    assert.throws(() => stationaryVariance({ coefficients: [1], noise: 1, start: [1] }), InvalidInputError);
  });

  it('moments agree with simulation and converge to the stationary law', () => {
    const chain = { coefficients: [0.5, 0.3], noise: 0.7, start: [2, -1] };
    const { means, variances } = chainMoments(chain, 80);
    near(variances[79], stationaryVariance(chain), 1e-8); // 0.85^160
    const samples = 4000;
    const paths = simulateChain(chain, samples, 6, key(1));
    for (const step of [1, 5]) {
      const draws = Float64Array.from({ length: samples }, (_, s) => paths[(s * 6 + step) * 2]);
      const { value, error } = meanWithError(draws);
      near(value, means[step][0], 5 * error);
      const squares = meanWithError(draws.map((x) => (x - means[step][0]) ** 2));
      near(squares.value, variances[step], 5 * squares.error);
    }
  });

  it('coefficients that change and converge end at the rate of their limit', () => {
    const limit = coefficientsFromRoots([0.8, 0.3]);
    const coefficients = (step: number) => limit.map((a) => a * (1 + 0.3 / step ** 2));
    const { means } = chainMoments({ coefficients, noise: 0, start: [1] }, 400);
    near(
      tailRate(
        Float64Array.from(means, (mean) => mean[0]),
        200,
      ),
      0.8,
      1e-4,
    );
  });

  it('powers of the companion matrix stay below the transient constant', () => {
    const roots = fc.tuple(
      fc.double({ min: 0.5, max: 0.95, noNaN: true }),
      fc.double({ min: -0.4, max: 0.4, noNaN: true }),
    );
    fc.assert(
      fc.property(roots, ([first, second]) => {
        const start = [1];
        const chain = { coefficients: coefficientsFromRoots([first, second]), noise: 0, start };
        const bound = transientConstant([first, second]) * Math.SQRT2;
        chainMoments(chain, 30).means.forEach((mean, i) => {
          assert.ok(Math.abs(mean[0]) <= bound * first ** i * (1 + 1e-9));
        });
      }),
      { numRuns: 50 },
    );
  });
});

describe('theory/decay', () => {
  it('recovers M, beta and m exactly from an exact decay', () => {
    const values = Float64Array.from({ length: 20 }, (_, i) => 3 * 0.7 ** i + 0.5);
    const fit = fitDecay(values);
    near(fit.amplitude, 3, 1e-6);
    near(fit.beta, 0.7, 1e-6); // golden section on a squared residual resolves to the root of machine precision
    near(fit.floor, 0.5, 1e-6);
    near(fit.goodness, 1, 1e-9);
  });

  it('finds no decay in a constant, and growth in growth', () => {
    const constant = fitDecay([2, 2, 2, 2, 2], { floor: 0 });
    near(constant.beta, 1, 1e-6);
    assert.equal(constant.goodness, 0);
    assert.equal(fitDecay([2, 2, 2, 2, 2]).beta, 1); // with a free floor, any beta would fit
    near(fitDecay([1, 1.05, 1.1025, 1.157625], { floor: 0 }).beta, 1.05, 1e-6);
  });

  it('does not imitate a straight line with a negative amplitude', () => {
    const { amplitude, floor, beta } = fitDecay([10, 9, 8, 7, 6, 5]);
    assert.ok(amplitude >= 0 && floor >= 0 && beta < 1);
  });

  it('half-life and tail rate', () => {
    near(halfLife(0.5), 1, 1e-12);
    assert.equal(halfLife(1), Number.POSITIVE_INFINITY);
    near(tailRate([100, 1, 0.5, 0.25], 1), 0.5, 1e-12);
  });

  it('refuses too few or broken values', () => {
    assert.throws(() => fitDecay([1, 2]), InvalidInputError);
    assert.throws(() => fitDecay([1, Number.NaN, 2]), InvalidInputError);
  });
});

describe('theory/exponential-decay (Theorem 2)', () => {
  it('score norms agree with simulation of the chain and of x_t', () => {
    const { chain, token } = decayProblem(3);
    const samples = 4000;
    const steps = 4;
    const norms = scoreNorms(chain, token, steps);
    const paths = simulateChain(chain, samples, steps, key(2));
    const width = chain.start.length;
    const rows = token.observation.rows;
    const variance = token.alphaBar * token.noise ** 2 + 1 - token.alphaBar;
    const marginal = Math.sqrt(stationaryVariance(chain));
    const z = normal(key(4), samples * (width + rows));
    for (const step of [0, 1, 3]) {
      const squares = Float64Array.from({ length: samples }, (_, s) => {
        const c = Matrix.columnVector(
          Array.from(paths.subarray((s * steps + step) * width, (s * steps + step + 1) * width)),
        );
        const other = Matrix.columnVector(Array.from(z.subarray(s * width, (s + 1) * width), (v) => v * marginal));
        let total = 0;
        for (let r = 0; r < rows; r++) {
          const x =
            Math.sqrt(token.alphaBar) * token.observation.mmul(other).get(r, 0) +
            Math.sqrt(variance) * z[samples * width + s * rows + r];
          total += ((Math.sqrt(token.alphaBar) * token.observation.mmul(c).get(r, 0) - x) / variance) ** 2;
        }
        return total;
      });
      const { value, error } = meanWithError(squares);
      near(value, norms[step] ** 2, 5 * error);
    }
  });

  it('the mean gradient falls by the spectral radius, the norm towards m by its square', () => {
    const { chain, token, roots } = decayProblem(0);
    const radius = Math.max(...roots);
    near(tailRate(scoreShifts(chain, token, 60), 30), radius, 1e-5);
    const norms = scoreNorms(chain, token, 61);
    const { floor } = theoremEnvelope(roots, chain, token);
    near(
      tailRate(
        norms.subarray(0, 41).map((g) => g - floor),
        25,
      ),
      radius ** 2,
      2e-3,
    );
  });

  it('total variation of normal laws: numeric integral, symmetry, extremes', () => {
    const density = (x: number, m: number, s: number) =>
      Math.exp(-0.5 * ((x - m) / s) ** 2) / (s * Math.sqrt(2 * Math.PI));
    const cases = [
      [0.3, 0.8, 0, 1],
      [1, 2, -0.5, 0.7],
      [2, 1, 0, 1],
      [0, 0.5, 0, 1],
    ];
    for (const [m1, s1, m2, s2] of cases) {
      let integral = 0;
      const step = 2e-4;
      for (let x = -14; x < 14; x += step) integral += Math.abs(density(x, m1, s1) - density(x, m2, s2)) * step;
      near(totalVariation(m1, s1, m2, s2), integral / 2, 1e-7); // kinks of |p - q| cost the midpoint rule step^2
      near(totalVariation(m2, s2, m1, s1), totalVariation(m1, s1, m2, s2), 1e-12);
    }
    assert.equal(totalVariation(1, 2, 1, 2), 0);
    near(totalVariation(0, 1e-3, 50, 1), 1, 1e-12);
  });

  it('W2 to stationarity starts at the exact value for a point mass and never rises for a positive chain', () => {
    const chain = { coefficients: [0.9], noise: 1, start: [3, 4] };
    const { wasserstein, totalVariation: variation } = distanceToStationarity(chain, 50);
    near(wasserstein[0], Math.sqrt(25 + 2 / 0.19), 1e-12);
    assert.equal(variation[0], 1);
    for (let i = 1; i < 50; i++) assert.ok(wasserstein[i] < wasserstein[i - 1] && variation[i] <= variation[i - 1]);
  });

  it('coupled non-linear paths contract, and a transition of norm above 1 need not', () => {
    const starts = [
      [2, 2],
      [-1, -1],
    ] as const;
    const options = { pairs: 10, steps: 20, source: foldIn(key(0), 'pairs') };
    const slow = coupledNonlinearChain(Matrix.eye(2, 2).mul(0.5), 0.2, starts, options).distances;
    for (const path of slow) for (let i = 1; i < 20; i++) assert.ok(path[i] <= 0.5 * path[i - 1] + 1e-15);
    const stuck = coupledNonlinearChain(Matrix.eye(2, 2).mul(3), 0.01, starts, options).distances;
    assert.ok(stuck.every((path) => path[19] > 1));
  });

  for (const seed of [0, 1, 2]) {
    it(`the three checks hold, seed ${seed}`, () => {
      assert.equal(checkTheorem2({ seed }).verdict, 'holds');
      assert.equal(checkTheorem2Law({ seed }).verdict, 'holds');
      assert.equal(checkTheorem2Control({ seed }).verdict, 'holds');
    });
  }

  it('says which assumption is violated when the chain does not forget', () => {
    const result = checkTheorem2({ roots: [1.02, 0.3] });
    assert.equal(result.verdict, 'assumption violated');
    assert.match(result.violations![0], /Assumption 4.*1\.02/);
    assert.ok(result.measured > 1);
  });
});
