import { strict as assert } from 'node:assert';
import { arrows, contours, dots, heatmap, onGrid, panels, plane } from '../../src/plots/plane';

const window = { x: [-1, 1] as const, y: [0, 3] as const, points: 4 };

describe('plots/plane', () => {
  it('a grid has rows along y and columns along x', () => {
    const { x, y, z } = onGrid((p) => 10 * p[0] + p[1], window);
    assert.deepEqual([x[0], x[3], y[0], y[3]], [-1, 1, 0, 3]);
    assert.equal(z[2][0], -10 + 2);
    assert.equal(z[0][3], 10);
  });

  it('arrows go from their point along the scaled vector, each on its own', () => {
    const { x, y } = arrows(
      'field',
      [
        [0, 0],
        [1, 2],
      ],
      [
        [1, -1],
        [0, 4],
      ],
      { scale: 0.5 },
    ) as { x: unknown; y: unknown };
    assert.deepEqual(x, [0, 0.5, null, 1, 1, null]);
    assert.deepEqual(y, [0, -0.5, null, 2, 4, null]);
  });

  it('dots take row-major points', () => {
    const { x, y } = dots('points', Float64Array.of(1, 2, 3, 4), '#000') as { x: unknown; y: unknown };
    assert.deepEqual(
      [x, y],
      [
        [1, 3],
        [2, 4],
      ],
    );
  });

  it('a plane has equal units on both axes, and a colour bar only with a label', () => {
    const grid = onGrid(() => 1, window);
    const parts = [heatmap(grid), contours(grid, 'level', '#000', [1, 1, 1])];
    const { layout, data } = plane(parts, { title: 't', x: 'a', y: 'b', window });
    assert.equal(layout.yaxis?.scaleanchor, 'x');
    assert.deepEqual(layout.xaxis?.range, [-1, 1]);
    assert.equal((data[0] as { showscale?: boolean }).showscale, false);
    assert.equal((heatmap(grid, { label: 'unit' }) as { showscale?: boolean }).showscale, true);
  });

  it('panels lie side by side without overlap and show each legend entry once', () => {
    const part = () => ({ title: 'p', data: [dots('points', [0, 0], '#000')] });
    const { layout, data } = panels([part(), part(), part()], { title: 't', x: 'a', y: 'b', window });
    const axes = layout as Record<string, { domain: [number, number] }>;
    const domains = [axes.xaxis.domain, axes.xaxis2.domain, axes.xaxis3.domain];
    assert.ok(domains[0][1] < domains[1][0] && domains[1][1] < domains[2][0] && domains[2][1] <= 1 + 1e-12);
    assert.deepEqual(
      data.map((trace) => (trace as { showlegend?: boolean }).showlegend),
      [true, false, false],
    );
    assert.deepEqual((data[2] as { xaxis?: string }).xaxis, 'x3');
  });
});
