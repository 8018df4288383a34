import * as tf from '@tensorflow/tfjs';
import { compile } from '../src/compile';
import { keyedNoise } from '../src/diffusion/noise';
import { initDiffusionHead } from '../src/models/blocks/diffusion-loss';
import { compileModel, releaseCompiled } from '../src/models/compiled/compile-model';
import { initMar, type MarConfig } from '../src/models/mar/mar';
import { keyedMarDraws, sampleMar } from '../src/models/mar/mar-sample';
import { PRESETS } from '../src/models/presets';
import { sampleTokens } from '../src/models/token-sampler';
import { decode, initVae, type VaeConfig } from '../src/models/vae/vae';
import { useBackend } from '../src/runtime/backend';
import type { Parameters } from '../src/runtime/parameters';
import { foldIn, key, normal } from '../src/runtime/random';
import type { BenchmarkOptions } from './main';
import { type Comparison, type ComparisonRow, compare, printComparison, threadSettings } from './shared-compare';

const seed = key(0);
const gaussian = (name: string, shape: number[]) =>
  tf.tensor(
    Float32Array.from(
      normal(
        foldIn(seed, name),
        shape.reduce((a, b) => a * b, 1),
      ),
    ),
    shape,
  );

/** Weights as after a training: constant ones, such as the zeros that some layers start from, would fold away. Takes `parameters`. */
const trained = (parameters: Parameters): Parameters => {
  const stirred: Parameters = new Map();
  for (const [name, x] of parameters) {
    stirred.set(
      name,
      tf.tidy(() => x.add(gaussian(name, x.shape).mul(0.02))),
    );
    x.dispose();
  }
  return stirred;
};

export async function run(options: BenchmarkOptions): Promise<ComparisonRow[]> {
  const { reason, name } = await useBackend();
  options.log(`compiled sampling (eager parts on ${name}: ${reason})`);
  return compare('sampling', cases(), options);
}

export function cases(): Comparison[] {
  const reverse = [256, 1024].flatMap((width) =>
    [
      { rows: 16, target: 0.5 },
      { rows: 64, target: 0.7 },
      { rows: 256, target: 0.9 },
    ].map(({ rows, target }) => reverseProcess(width, rows, target)),
  );
  return [...reverse, images(), decoding()];
}

export const print = printComparison;

/** 100 ancestral steps of the denoising MLP, random numbers included. */
function reverseProcess(width: number, rows: number, target: number): Comparison {
  const size = { channels: 16, conditionWidth: 256, width, depth: 4 };
  // One thread is never the best where it takes seconds.
  const threads = threadSettings().filter((count) => count > 1 || width === 256 || rows === 16);
  return {
    case: `(d) 100 sampling steps, MLP ${width}x4, ${rows} rows`,
    target,
    count: rows > 64 || width > 256 ? 1 : 3,
    threads,
    spec: { kind: 'reverse', size: { ...size, rows, steps: 100 } },
    async prepare(threads) {
      const parameters = compileModel(trained(initDiffusionHead(size, seed, '')), threads);
      const conditions = gaussian('conditions', [rows, 256]) as tf.Tensor2D;
      return {
        run: async () =>
          sampleTokens(parameters, conditions, keyedNoise(seed), { respacing: '100', prefix: '' }).dispose(),
        dispose: () => releaseCompiled(parameters),
      };
    },
  };
}

/** Whole images of the small MAR with guidance: 8 generation steps of 25 denoising steps. */
function images(): Comparison {
  const config = PRESETS.get('mar-small')!.config as MarConfig;
  const size = { config, batch: 16, steps: 8, guidance: 3, denoisingSteps: 25 };
  const classes = Array.from({ length: size.batch }, (_, i) => i % config.classes);
  return {
    case: '(e) 16 images of the small MAR, guidance 3',
    target: 0.5,
    count: 2,
    spec: { kind: 'images', size },
    async prepare(threads) {
      const parameters = compileModel(trained(initMar(config, seed)), threads);
      const options = { classes, steps: size.steps, guidance: size.guidance, respacing: size.denoisingSteps };
      return {
        run: async () =>
          (await sampleMar(parameters, config, keyedMarDraws(config, size.batch, seed), options)).dispose(),
        dispose: () => releaseCompiled(parameters),
      };
    },
  };
}

function decoding(): Comparison {
  const config = PRESETS.get('vae-small')!.config as VaeConfig;
  const side = config.resolution / 2 ** (config.multipliers.length - 1);
  return {
    case: '(f) VAE of the small profile, decoding 16',
    target: 1,
    count: 2,
    spec: { kind: 'decode', size: { config, batch: 16 } },
    async prepare(threads) {
      const latents = gaussian('latents', [16, side, side, config.latentChannels]);
      const fast = compile(({ z }: { z: tf.Tensor }, weights) => decode(weights, config, z as tf.Tensor4D), {
        freeze: trained(initVae(config, seed)),
        threads,
      });
      return { run: async () => fast({ z: latents }).dispose(), dispose: () => fast.dispose() };
    },
  };
}
