import { foldIn, type Key, key, uniform } from '../runtime/random';
import { type Dataset, makeDataset } from './dataset';

/**
 * Silhouettes and textures; a class is one of each: `2 * silhouette + texture`. In alphabetical order, so that labels are the
 * same when the images are read back from class folders.
 */
export const SILHOUETTES = ['cross', 'disc', 'ring', 'square', 'triangle'] as const;
export const TEXTURES = ['checks', 'stripes'] as const;

/** The ten class names, in label order. */
export const PROCEDURAL_CLASSES = SILHOUETTES.flatMap((shape) => TEXTURES.map((texture) => `${shape}-${texture}`));

/**
 * Three disjoint splits: `train` (training and the buffer of ideal conditions), `reference` (the real side of FID) and
 * `control` (used by neither, to separate refinement from memorisation).
 */
export const SPLITS = ['train', 'reference', 'control'] as const;
export type Split = (typeof SPLITS)[number];

/** What to draw. */
export interface ProceduralOptions {
  split?: Split;
  /** Images per class. Default 1200 for `train`, 300 for the others. */
  perClass?: number;
  /** Side in pixels, at least 8. Default 32. */
  size?: number;
  /** Another seed is another data set. Default 0. */
  seed?: number;
}

/** The options in effect. */
export function proceduralDefaults(options: ProceduralOptions = {}): Required<ProceduralOptions> {
  const { split = 'train', perClass = split === 'train' ? 1200 : 300, size = 32, seed = 0 } = options;
  return { split, perClass, size, seed };
}

/**
 * Draws textured shapes on shaded grounds. Within a class the colours, position, size, rotation, texture phase and ground
 * vary, so that a class mean is a blur far from any image; mirror images are equally likely. Image i of a class does not
 * depend on how many are drawn.
 */
export function proceduralDataset(options: ProceduralOptions = {}): Dataset {
  const { split, perClass, size, seed } = proceduralDefaults(options);
  const classes = PROCEDURAL_CLASSES.length;
  const pixels = size * size * 3;
  const images = new Uint8Array(classes * perClass * pixels);
  const labels = new Int32Array(classes * perClass);
  for (let i = 0; i < labels.length; i++) {
    labels[i] = Math.floor(i / perClass);
    images.set(drawProcedural(labels[i], imageKey(seed, split, labels[i], i % perClass), size), i * pixels);
  }
  return makeDataset({ name: `procedural/${split}`, size, images, labels, classNames: PROCEDURAL_CLASSES });
}

/** The key of one image. */
export function imageKey(seed: number, split: Split, label: number, index: number): Key {
  return foldIn(foldIn(foldIn(key(seed), `procedural ${split}`), label), index);
}

/** One image of a class, RGB bytes `[size, size, 3]`, anti-aliased by 3 x 3 samples a pixel. */
export function drawProcedural(label: number, source: Key, size: number): Uint8Array {
  const u = uniform(source, 16);
  const between = (i: number, low: number, high: number) => low + (high - low) * u[i];
  const inside = SHAPES[SILHOUETTES[label >> 1]];
  const checks = label % 2 === 0;
  const light = colour(u[0], between(1, 0.55, 0.95), between(2, 0.75, 1));
  const dark = light.map((x) => x * between(3, 0.2, 0.4));
  const ground = colour(u[4], between(5, 0, 0.4), between(6, 0.25, 0.55));
  const shade = between(7, 0, 0.35);
  const shadeAngle = between(8, 0, 2 * Math.PI);
  const radius = between(9, 0.58, 0.76);
  const centreX = between(10, -0.2, 0.2);
  const centreY = between(11, -0.2, 0.2);
  const rotation = between(12, -0.3, 0.3);
  const waves = between(13, 0.8, 1); // periods a radius
  const [phaseX, phaseY] = [u[14], u[15]];
  const cos = Math.cos(rotation) / radius;
  const sin = Math.sin(rotation) / radius;
  const out = new Uint8Array(size * size * 3);
  const sum = [0, 0, 0];
  for (let pixel = 0; pixel < size * size; pixel++) {
    sum.fill(0);
    for (let sample = 0; sample < 9; sample++) {
      const x = (2 * ((pixel % size) + ((sample % 3) + 0.5) / 3)) / size - 1;
      const y = (2 * (Math.floor(pixel / size) + (Math.floor(sample / 3) + 0.5) / 3)) / size - 1;
      const a = (x - centreX) * cos + (y - centreY) * sin;
      const b = (y - centreY) * cos - (x - centreX) * sin;
      let paint: number[];
      let gain = 1;
      if (inside(a, b)) {
        const band = odd(b * (checks ? 0.8 : 1) * waves + phaseY);
        paint = (checks ? band !== odd(0.8 * a * waves + phaseX) : band) ? dark : light;
      } else {
        paint = ground;
        gain = 1 + shade * (x * Math.cos(shadeAngle) + y * Math.sin(shadeAngle));
      }
      for (let c = 0; c < 3; c++) sum[c] += paint[c] * gain;
    }
    for (let c = 0; c < 3; c++) out[3 * pixel + c] = Math.max(0, Math.min(255, Math.round((sum[c] / 9) * 255)));
  }
  return out;
}

const odd = (x: number) => x - Math.floor(x) < 0.5;

/** Whether a point is inside, in units of the radius. */
const SHAPES: Record<(typeof SILHOUETTES)[number], (a: number, b: number) => boolean> = {
  disc: (a, b) => a * a + b * b < 1,
  square: (a, b) => Math.max(Math.abs(a), Math.abs(b)) < 0.88,
  triangle: (a, b) => b < 0.65 && b > 1.9 * Math.abs(a) - 1.15,
  cross: (a, b) => Math.max(Math.abs(a), Math.abs(b)) < 1 && Math.min(Math.abs(a), Math.abs(b)) < 0.36,
  ring: (a, b) => a * a + b * b < 1 && a * a + b * b > 0.27,
};

/** Hue, saturation and value, each in [0, 1], as red, green and blue in [0, 1]. */
function colour(hue: number, saturation: number, value: number): number[] {
  return [5, 3, 1].map((n) => {
    const k = (n + hue * 6) % 6;
    return value - value * saturation * Math.max(0, Math.min(k, 4 - k, 1));
  });
}
