import { strict as assert } from 'node:assert';
import * as fc from 'fast-check';
import { costPoints } from '../../src/refinement/couple';
import { pooledMoments } from '../../src/refinement/moments';
import { type OptimalTransportOptions, optimalTransportRefiner } from '../../src/refinement/optimal-transport';
import { rowMean, totalVariance } from '../../src/refinement/rows';
import { fitVisiblePrediction } from '../../src/refinement/visible-prediction';
import { foldIn, key, normal, permutation, randint } from '../../src/runtime/random';
import { group as made } from '../support/group';

const width = 4;
const draw = (name: string, rows: number, each = width) => Float32Array.from(normal(foldIn(key(8), name), rows * each));
const own = { conditions: draw('c', 40), targets: draw('t', 60).map((x, i) => 2 * x + (i % width)), width };
const group = made(own);
const at = { predictiveShare: 0.99, maskWeight: 0 } as const;
const squared = (x: ArrayLike<number>, i: number, y: ArrayLike<number>, j: number, d: number) => {
  let sum = 0;
  for (let k = 0; k < d; k++) sum += (x[i * d + k] - y[j * d + k]) ** 2;
  return sum;
};
const close = (a: ArrayLike<number>, b: ArrayLike<number>, tolerance: number) =>
  Array.from(a).forEach((value, i) =>
    assert.ok(Math.abs(value - b[i]) <= tolerance, `[${i}] ${value} against ${b[i]}`),
  );

describe('refinement/couple', () => {
  it('the mean cost is that of all pairs', () => {
    const { x, y, meanCost } = costPoints(group, { ...at, cost: 'condition' })!;
    let sum = 0;
    for (let i = 0; i < 40; i++) for (let j = 0; j < 60; j++) sum += squared(x, i, y, j, width);
    assert.ok(Math.abs(meanCost - sum / 2400) < 1e-4); // float32 points, costs of order ten
  });

  it('masks add tau times the mean cost times the share of tokens in which they differ', () => {
    const tokens = 5;
    const visible = {
      conditions: Uint8Array.from(randint(key(1), 40 * tokens, 0, 2)),
      targets: Uint8Array.from(randint(key(2), 60 * tokens, 0, 2)),
    };
    const plain = costPoints(group, { ...at, cost: 'condition' })!;
    const masked = costPoints(made({ ...own, visible }), { ...at, cost: 'condition', maskWeight: 3 })!;
    assert.equal(masked.meanCost, plain.meanCost);
    for (const [i, j] of [
      [0, 0],
      [7, 31],
      [39, 59],
    ]) {
      const hamming = squared(visible.conditions, i, visible.targets, j, tokens);
      const expected = squared(plain.x, i, plain.y, j, width) + (3 * plain.meanCost * hamming) / tokens;
      assert.ok(Math.abs(squared(masked.x, i, masked.y, j, masked.dimension) - expected) < 1e-3);
    }
  });

  it('a strong mask weight couples rows with targets of the same mask alone', () => {
    const flags = (rows: number) => Uint8Array.from({ length: rows * 2 }, (_, i) => (Math.floor(i / 2) + i) % 2);
    const visible = { conditions: flags(40), targets: flags(60) };
    let plan: Float64Array | undefined;
    optimalTransportRefiner({ maskWeight: 100 })(
      made({
        ...own,
        visible,
        observe: ({ coupling }) => {
          plan = coupling?.plan;
        },
      }),
    );
    let across = 0;
    plan!.forEach((mass, at) => {
      if (visible.conditions[2 * Math.floor(at / 60)] !== visible.targets[2 * (at % 60)]) across += mass;
    });
    assert.ok(across < 1e-6, `${across}`);
  });

  it('whitened: the pooled covariance of the points is diag(v / (v + floor)), so below the identity', () => {
    const { y, dimension } = costPoints(group, { ...at, cost: 'whitened' })!;
    const { condition } = pooledMoments([{ targets: y }], dimension);
    for (let a = 0; a < width; a++) {
      for (let b = 0; b < width; b++) {
        const value = condition[a * width + b];
        if (a === b)
          assert.ok(value > 0.9 && value < 1, `${value}`); // 1 / (1 + 0.05 mean / v)
        else assert.ok(Math.abs(value) < 1e-5);
      }
    }
  });

  it('predictive: the cost sees the directions that predict the token and no other', () => {
    // the token is the first coordinate and noise, coordinates are independent
    const targets = draw('wide', 2000);
    const latents = Float32Array.from(draw('noise', 2000, 1), (noise, i) => targets[i * width] + 0.5 * noise);
    const { x } = costPoints(made({ ...own, targets, latents }), { ...at, cost: 'predictive' })!;
    for (let k = 1; k < width; k++) {
      // sampling error of a correlation from 2000 rows is 0.02
      for (let row = 0; row < 40; row++) assert.ok(Math.abs(x[row * width + k]) < 0.1 * (1 + Math.abs(x[row * width])));
    }
    close(
      Float32Array.from({ length: 40 }, (_, row) => x[row * width]),
      Float32Array.from({ length: 40 }, (_, row) => group.conditions[row * width]),
      0.2,
    );
    const unrelated = made({ ...own, targets, latents: draw('unrelated', 2000, 1) });
    assert.equal(costPoints(unrelated, { ...at, cost: 'predictive' }), undefined);
    assert.match(optimalTransportRefiner({ cost: 'predictive' })(unrelated).skipReason!, /no direction/);
  });

  it('latent: couples where the sampled priors are, and moves to the conditions that belong to the latents', () => {
    const targets = Float32Array.from([10, 0, 20, 0]);
    const { conditions } = optimalTransportRefiner({
      cost: 'latent',
      epsilon: 1e-3,
      projection: 'plain',
      minimumSpread: 0,
    })(
      made({
        conditions: Float32Array.from([1, 1, 2, 2]),
        targets,
        width: 2,
        latents: Float32Array.from([5, -5]),
        prior: () => Float32Array.from([-4, 6]), // crossed: the first row's prior is near the second target's latent
      }),
    );
    close(conditions, [20, 0, 10, 0], 1e-3);
  });

  it('names what a group lacks', () => {
    const refuses = (options: OptimalTransportOptions, message: RegExp) =>
      assert.throws(() => optimalTransportRefiner(options)(group), message);
    refuses({ cost: 'latent' }, /expected the sampled prior/);
    refuses({ cost: 'predictive' }, /latents of its targets/);
    refuses({ maskWeight: 1 }, /which tokens are visible/);
    refuses({ maskResidual: true }, /which tokens were visible/);
    refuses({ lambda: 1 }, /an inverse process, which lambda weighs/);
  });

  for (const cost of ['condition', 'standardised', 'whitened'] as const) {
    it(`${cost}: refinement follows a permutation of the rows and a translation of both clouds`, () => {
      fc.assert(
        fc.property(fc.nat(), fc.double({ min: -5, max: 5, noNaN: true }), (seed, by) => {
          const refine = optimalTransportRefiner({ cost, tolerance: 1e-5 });
          const whole = refine(group).conditions;
          const order = permutation(key(seed), 40);
          const pick = (rows: Float32Array) =>
            rows.map((_, i) => rows[order[Math.floor(i / width)] * width + (i % width)]);
          const shift = (rows: Float32Array) => rows.map((value) => value + by);
          const moved = refine(
            made({ ...own, conditions: shift(pick(own.conditions)), targets: shift(own.targets) }),
          ).conditions;
          close(moved, shift(pick(whole)), 2e-3); // Sinkhorn's tolerance at numbers up to 12 in float32
        }),
        { numRuns: 8 },
      );
    });
  }
});

describe('refinement/visible-residual', () => {
  const tokens = 6;
  const rows = 200;
  const flags = (name: string, count: number) => Uint8Array.from(randint(foldIn(key(5), name), count * tokens, 0, 2));
  /** Conditions that the mask shifts: 3 per visible token along one coordinate each, and noise. */
  const shifted = (name: string, mask: Uint8Array) =>
    draw(name, mask.length / tokens).map((z, i) => z + 3 * mask[Math.floor(i / width) * tokens + (i % width)]);

  it('finds what the mask says of the condition, and says nothing where it says nothing', () => {
    const mask = flags('fit', rows);
    const fit = fitVisiblePrediction(mask, tokens, shifted('fit', mask), width);
    const fresh = flags('fresh', 50);
    const predicted = fit.predict(fresh);
    const mean = fit.predict(new Uint8Array(tokens));
    predicted.forEach((value, i) => {
      const expected = mean[i % width] + 3 * fresh[Math.floor(i / width) * tokens + (i % width)];
      assert.ok(Math.abs(value - expected) < 0.8, `${value} ${expected}`); // 200 rows, noise 1: error 0.15 a coefficient
    });
    // variance of the mean shift 9/4 of 13/4
    assert.ok(Math.abs(fit.heldOut - 9 / 13) < 0.1);
    const silent = fitVisiblePrediction(mask, tokens, draw('silent', rows), width);
    assert.ok(silent.heldOut < 0.02);
    const constant = fitVisiblePrediction(new Uint8Array(rows * tokens), tokens, draw('silent', rows), width);
    close(constant.predict(new Uint8Array(tokens)), rowMean(draw('silent', rows), width), 1e-5);
  });

  it('leaves with each row what its own mask says: rows of a rare mask are not drawn to the common one', () => {
    const mask = flags('targets', rows);
    const all = new Uint8Array(30 * tokens).fill(1); // everything visible, one in 64 of the targets
    const conditions = shifted('own', all).map((value) => value + 1); // drifted by one
    const known = made({
      conditions,
      targets: shifted('targets', mask),
      width,
      visible: { conditions: all, targets: mask },
    });
    const mean = (maskResidual: boolean) => rowMean(optimalTransportRefiner({ maskResidual })(known).conditions, width);
    // right is 3; without residuals the cloud goes to the mean of all masks, 1.5
    mean(true).forEach((value) => assert.ok(Math.abs(value - 3) < 0.5, `${value}`));
    mean(false).forEach((value) => assert.ok(value < 2.2, `${value}`));
  });

  it('is the plain refinement where all masks are one', () => {
    const same = (count: number) => new Uint8Array(count * tokens).fill(1);
    const visible = { conditions: same(40), targets: same(60) };
    const [plain, residual] = [false, true].map((maskResidual) =>
      optimalTransportRefiner({ maskResidual, tolerance: 1e-5 })(made({ ...own, visible })),
    );
    close(residual.conditions, plain.conditions, 2e-3); // Sinkhorn's tolerance
    assert.ok(totalVariance(plain.conditions, width) > 1);
  });
});
