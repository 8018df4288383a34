import { InvalidInputError } from '../runtime/errors';

/** An image as plain numbers, rows first, channels last, any value range. */
export interface PlainImage {
  data: ArrayLike<number>;
  height: number;
  width: number;
  channels: number;
}

/**
 * Signal-to-noise ratio of an image on its way to `final`, in dB: 10 log10(||I_0||^2 / ||I_t - I_0||^2), our definition for
 * the paper's Figure 3. Infinity where the two are equal.
 * @throws InvalidInputError for unequal lengths or an all-zero final image.
 */
export function signalToNoise(current: ArrayLike<number>, final: ArrayLike<number>): number {
  let signal = 0;
  let noise = 0;
  for (let i = 0; i < final.length; i++) {
    signal += final[i] ** 2;
    noise += (current[i] - final[i]) ** 2;
  }
  if (current.length !== final.length || signal === 0) {
    throw new InvalidInputError('Signal-to-noise ratio', {
      given: `${current.length} and ${final.length} values, signal energy ${signal}`,
      expected: 'two images of one size and a final image that is not all zero',
      remedy: 'Compare the decoded image of a step with the decoded final image.',
    });
  }
  return 10 * Math.log10(signal / noise);
}

/**
 * Robust estimate of the standard deviation of white noise in an image, without a reference: the median absolute value of
 * the finest diagonal Haar coefficients over 0.6745, averaged over channels (Donoho and Johnstone 1994).
 * An odd last row or column is left out. Our definition of the noise intensity of the paper's Figure 3.
 * @throws InvalidInputError for an image smaller than 2x2 or data of the wrong length.
 */
export function noiseIntensity({ data, height, width, channels }: PlainImage): number {
  if (height < 2 || width < 2 || data.length !== height * width * channels) {
    throw new InvalidInputError('Noise intensity', {
      given: `${data.length} values for ${height}x${width}x${channels}`,
      expected: 'at least 2x2 pixels and height * width * channels values',
      remedy: 'Pass one image, channels last.',
    });
  }
  const rows = height >> 1;
  const columns = width >> 1;
  const details = new Float64Array(rows * columns);
  let total = 0;
  for (let channel = 0; channel < channels; channel++) {
    const at = (y: number, x: number) => data[(y * width + x) * channels + channel];
    for (let y = 0; y < rows; y++) {
      for (let x = 0; x < columns; x++) {
        const detail = at(2 * y, 2 * x) - at(2 * y, 2 * x + 1) - at(2 * y + 1, 2 * x) + at(2 * y + 1, 2 * x + 1);
        details[y * columns + x] = Math.abs(detail) / 2; // the Haar basis is orthonormal: white noise keeps its std
      }
    }
    total += median(details) / 0.6744897501960817;
  }
  return total / channels;
}

function median(values: Float64Array): number {
  const sorted = Float64Array.from(values).sort();
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
