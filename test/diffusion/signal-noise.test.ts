import assert from 'node:assert/strict';
import { noiseIntensity, signalToNoise } from '../../src/diffusion/signal-noise';
import { InvalidInputError } from '../../src/runtime/errors';
import { key, normal } from '../../src/runtime/random';

describe('signal and noise of an image', () => {
  it('the ratio is 20 dB at a tenth of the amplitude, 0 dB at all of it, infinite at none', () => {
    const final = Float64Array.from({ length: 100 }, (_, i) => Math.sin(i));
    const off = (share: number) => final.map((x) => x * (1 + share));
    assert.ok(Math.abs(signalToNoise(off(0.1), final) - 20) < 1e-9);
    assert.ok(Math.abs(signalToNoise(off(1), final)) < 1e-9);
    assert.equal(signalToNoise(final, final), Number.POSITIVE_INFINITY);
    assert.throws(() => signalToNoise([1, 2], [1]), InvalidInputError);
    assert.throws(() => signalToNoise([0, 1], [0, 0]), InvalidInputError);
  });

  it('finds the standard deviation of white noise on any smooth picture', () => {
    const [height, width, channels] = [129, 128, 3]; // the odd last row is left out
    const std = 0.05;
    const noise = normal(key(1), height * width * channels);
    const data = noise.map((z, i) => {
      const pixel = Math.floor(i / channels);
      return std * z + 0.01 * Math.floor(pixel / width) - 0.02 * (pixel % width);
    });
    // Standard error of a median-based estimate from n values: about 1.17 / sqrt(n) of the std; n = 64 * 64 * 3.
    const estimated = noiseIntensity({ data, height, width, channels });
    assert.ok(Math.abs(estimated / std - 1) < (4 * 1.17) / Math.sqrt(64 * 64 * 3), `${estimated}`);
  });

  it('is zero on a plane and scales with the picture', () => {
    const plane = Float64Array.from({ length: 64 }, (_, i) => 2 * Math.floor(i / 8) + 3 * (i % 8));
    assert.equal(noiseIntensity({ data: plane, height: 8, width: 8, channels: 1 }), 0);
    const rough = normal(key(2), 64);
    const once = noiseIntensity({ data: rough, height: 8, width: 8, channels: 1 });
    const twice = noiseIntensity({ data: rough.map((x) => 2 * x), height: 8, width: 8, channels: 1 });
    assert.ok(Math.abs(twice / once - 2) < 1e-12);
    assert.throws(() => noiseIntensity({ data: [1], height: 1, width: 1, channels: 1 }), InvalidInputError);
  });
});
