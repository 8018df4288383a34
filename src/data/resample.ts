/** Interleaved RGB bytes `[height, width, 3]`. */
export interface RgbImage {
  width: number;
  height: number;
  data: Uint8Array;
}

/** Filters by support (in source pixels at scale 1) and weight, as in Pillow. */
const FILTERS = {
  box: { support: 0.5, weight: (x: number) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  /** Keys' cubic with a = -0.5. */
  bicubic: {
    support: 2,
    weight: (x: number) => {
      const t = Math.abs(x);
      if (t < 1) return (1.5 * t - 2.5) * t * t + 1;
      return t < 2 ? ((-0.5 * t + 2.5) * t - 4) * t + 2 : 0;
    },
  },
} as const;

/**
 * Resizes by separable filtering, widened when shrinking (so without aliasing): first along x, then along y, rounded to bytes
 * after each pass. This is Pillow's `Image.resize`, which the reference uses, to within one grey level.
 */
export function resize(image: RgbImage, width: number, height: number, filter: keyof typeof FILTERS): RgbImage {
  const { data } = image;
  const across = coefficients(image.width, width, filter);
  const narrow = new Uint8Array(width * image.height * 3);
  for (let y = 0; y < image.height; y++) {
    for (let x = 0; x < width; x++) {
      const { begin, weights } = across[x];
      for (let c = 0; c < 3; c++) {
        let sum = 0;
        for (let k = 0; k < weights.length; k++) sum += weights[k] * data[(y * image.width + begin + k) * 3 + c];
        narrow[(y * width + x) * 3 + c] = toByte(sum);
      }
    }
  }
  const down = coefficients(image.height, height, filter);
  const out = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    const { begin, weights } = down[y];
    for (let i = 0; i < width * 3; i++) {
      let sum = 0;
      for (let k = 0; k < weights.length; k++) sum += weights[k] * narrow[(begin + k) * width * 3 + i];
      out[y * width * 3 + i] = toByte(sum);
    }
  }
  return { width, height, data: out };
}

/**
 * The centre square of `size` pixels as ADM and MAR cut it: halve with a box filter while the shorter side is at least twice
 * `size`, resize the shorter side to `size` with a bicubic filter, cut out the middle.
 */
export function centreCrop(image: RgbImage, size: number): RgbImage {
  let current = image;
  while (Math.min(current.width, current.height) >= 2 * size) {
    current = resize(current, current.width >> 1, current.height >> 1, 'box');
  }
  const scale = size / Math.min(current.width, current.height);
  current = resize(current, roundHalfEven(current.width * scale), roundHalfEven(current.height * scale), 'bicubic');
  const left = (current.width - size) >> 1;
  const top = (current.height - size) >> 1;
  const data = new Uint8Array(size * size * 3);
  for (let y = 0; y < size; y++) {
    const from = ((top + y) * current.width + left) * 3;
    data.set(current.data.subarray(from, from + size * 3), y * size * 3);
  }
  return { width: size, height: size, data };
}

function coefficients(source: number, target: number, filter: keyof typeof FILTERS) {
  const { support, weight } = FILTERS[filter];
  const scale = source / target;
  const stretch = Math.max(scale, 1);
  return Array.from({ length: target }, (_, i) => {
    const centre = (i + 0.5) * scale;
    const begin = Math.max(0, Math.floor(centre - support * stretch + 0.5));
    const end = Math.min(source, Math.floor(centre + support * stretch + 0.5));
    const weights = Float64Array.from({ length: end - begin }, (_, k) => weight((begin + k - centre + 0.5) / stretch));
    const total = weights.reduce((sum, w) => sum + w, 0);
    return { begin, weights: weights.map((w) => w / total) };
  });
}

const toByte = (x: number) => Math.max(0, Math.min(255, Math.floor(x + 0.5)));

/** Python's `round`. */
function roundHalfEven(x: number): number {
  const below = Math.floor(x);
  if (x - below !== 0.5) return Math.round(x);
  return below % 2 === 0 ? below : below + 1;
}
