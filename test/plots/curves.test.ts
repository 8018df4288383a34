import { strict as assert } from 'node:assert';
import type { PlotData } from 'plotly.js';
import { curves } from '../../src/plots/curves';
import { gaussianEllipse } from '../../src/plots/ellipse';
import { InvalidInputError } from '../../src/runtime/errors';

describe('plots', () => {
  it('curves: numbers that a log axis cannot show are gaps, bands are two traces, markers get error bars', () => {
    const options = { title: 't', x: 'step', y: 'value', logY: true };
    const { data, layout } = curves([{ name: 'a', y: [1, 0, -1, 0.1] }], options);
    assert.deepEqual((data[0] as PlotData).y, [1, null, null, 0.1]);
    assert.equal(layout.yaxis?.type, 'log');
    assert.equal(curves([{ name: 'b', y: [1, 2], error: [0.1, 0.1] }], options).data.length, 2);
    const [dots] = curves([{ name: 'c', y: [1, 2], error: [0.1, 0.2], mode: 'markers' }], options).data as PlotData[];
    assert.deepEqual((dots.error_y as { array: number[] }).array, [0.1, 0.2]);
    assert.deepEqual(dots.x, [0, 1]);
  });

  it('ellipse: every point lies at the stated Mahalanobis distance', () => {
    const law = { mean: [1, -2], covariance: [2, 0.6, 0.6, 0.5] };
    const { x, y } = gaussianEllipse(law, 2);
    const determinant = 2 * 0.5 - 0.36;
    x.forEach((value, i) => {
      const [u, v] = [value - 1, y[i] + 2];
      const squared = (0.5 * u * u - 1.2 * u * v + 2 * v * v) / determinant;
      assert.ok(Math.abs(squared - 4) < 1e-9);
    });
    assert.throws(() => gaussianEllipse({ mean: [0], covariance: [1] }), InvalidInputError);
  });
});
