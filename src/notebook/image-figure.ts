import type * as tf from '@tensorflow/tfjs';
import { toBytes } from '../data/dataset';
import { gridPng } from '../data/image-grid';
import type { Figure } from '../plots/figure';
import { pictureFigure } from '../plots/image-grid';

/** Images `[count, size, size, 3]` in [-1, 1], row by row, as a figure; `rows` label the rows. */
export async function imageFigure(
  images: tf.Tensor4D,
  { title, columns, rows, zoom = 2 }: { title: string; columns: number; rows?: readonly string[]; zoom?: number },
): Promise<Figure> {
  const [count, size] = images.shape;
  const png = await gridPng(toBytes(await images.data()), { size, columns, zoom, gap: 2 });
  const gap = 2;
  const lines = Math.ceil(count / columns);
  return pictureFigure(png, {
    title,
    rows,
    width: (columns * (size + gap) - gap) * zoom,
    height: (lines * (size + gap) - gap) * zoom,
  });
}
