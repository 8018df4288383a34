import { extname, join } from 'node:path';
import { NumericalError } from '../runtime/errors';

/** The format to write: a grid of images in one file, a folder with a file per image, or latents as numbers. */
export type SamplesForm = 'grid' | 'folder' | 'latents';

/** The format that a path selects; undefined for an unknown extension. A name without an extension is a folder. */
export function samplesForm(path: string): SamplesForm | undefined {
  const ending = path.endsWith('/') ? '' : extname(path);
  return ({ '.png': 'grid', '.npz': 'latents', '': 'folder' } as const)[ending as '.png'];
}

/** What was generated. */
export interface Samples {
  /** Values in order, split anywhere: pixels in -1 .. 1, or latents. */
  chunks: readonly Float32Array[];
  /** `[height, width, channels]` of one sample. */
  shape: readonly number[];
  /** Class of each sample, -1 without a class. */
  labels: readonly number[];
}

/**
 * Writes samples in the format that the path selects. A folder gets a sub-folder per class, as `cer evaluate` and `cer train` read them;
 * a grid shows small images enlarged, pixel by pixel.
 * @throws NumericalError when a value is not finite: nothing is written.
 */
export async function writeSamples(path: string, { chunks, shape, labels }: Samples): Promise<void> {
  if (chunks.some((chunk) => chunk.some((value) => !Number.isFinite(value)))) {
    throw new NumericalError('Samples', {
      given: 'values that are not finite',
      expected: 'finite latents or pixels',
      remedy: 'The weights may be untrained or belong to another model; try more --diffusion-steps or a smaller --cfg.',
    });
  }
  const values = new Float32Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    values.set(chunk, at);
    at += chunk.length;
  }
  if (samplesForm(path) === 'latents') {
    const { writeNpz } = await import('../io/npz');
    return writeNpz(path, [['latents', { dtype: 'F32', shape: [labels.length, ...shape], data: values }]]);
  }
  const { writeImageGrid } = await import('../data/image-grid');
  const pixels = Uint8Array.from(values, (x) => Math.round(255 * Math.min(1, Math.max(0, (x + 1) / 2))));
  const [size] = shape;
  if (samplesForm(path) === 'grid') {
    return writeImageGrid(path, pixels, { size, zoom: Math.max(1, Math.floor(96 / size)) });
  }
  const { mkdirSync } = await import('node:fs');
  const each = pixels.length / labels.length;
  for (const [index, label] of labels.entries()) {
    const folder = label < 0 ? path : join(path, `class-${label}`);
    mkdirSync(folder, { recursive: true });
    const file = join(folder, `${String(index).padStart(5, '0')}.png`);
    await writeImageGrid(file, pixels.subarray(index * each, (index + 1) * each), { size });
  }
}
