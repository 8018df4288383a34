import { type Figure, PALETTE } from '../plots/figure';
import { arrows, dots, plane } from '../plots/plane';
import { foldIn, type Key, normal } from '../runtime/random';
import { barycentricProjection, sinkhorn } from '../transport';

/** Two clouds of points in the plane, coupled, with arrows to the barycentric projection. */
export function transportPicture(
  count: number,
  epsilon: number,
  source: Key,
): { figure: Figure; summary: Record<string, number | string> } {
  const x = Float64Array.from(normal(foldIn(source, 'x'), 2 * count), (z, i) => 0.6 * z - (i % 2 === 0 ? 1.6 : 0));
  const y = Float64Array.from(normal(foldIn(source, 'y'), 2 * count), (z, i) => {
    const side = i % 4 < 2 ? 1 : -1; // two clusters
    return 0.35 * z + (i % 2 === 0 ? 1.4 : 1.2 * side);
  });
  const result = sinkhorn({ x, y, dimension: 2 }, { epsilon: { value: epsilon, relativeTo: 'mean' }, tolerance: 1e-9 });
  const projected = barycentricProjection(result, y);
  const pair = (points: Float64Array, i: number) => [points[2 * i], points[2 * i + 1]];
  const from = Array.from({ length: count }, (_, i) => pair(x, i));
  const figure = plane(
    [
      arrows(
        'barycentric projection',
        from,
        from.map((p, i) => pair(projected, i).map((v, axis) => v - p[axis])),
        { color: '#bbbbbb' },
      ),
      dots('conditions', x, PALETTE[0], 9, 0.9),
      dots('ideal law', y, '#888888', 9, 0.8),
      dots('where they are sent', projected, PALETTE[1], 7, 0.9),
    ],
    {
      title: 'Optimal transport of one cloud to another',
      x: 'first coordinate',
      y: 'second coordinate',
      window: { x: [-3.5, 3], y: [-2.6, 2.6], points: 2 },
    },
  );
  return {
    figure,
    summary: {
      points: count,
      epsilon: result.epsilon,
      cost: result.cost,
      iterations: result.iterations,
      marginalError: result.marginalError,
      status: result.status,
    },
  };
}
