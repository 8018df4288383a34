import * as tf from '@tensorflow/tfjs';
import { diffusionHead, initDiffusionHead } from '../src/models/blocks/diffusion-loss';
import { initialise, ones, type Shapes, xavier, zeros } from '../src/models/blocks/initialisers';
import { addBlockShapes, block } from '../src/models/blocks/transformer';
import { drawMar, initMar, type MarConfig, marLoss } from '../src/models/mar/mar';
import { PRESETS } from '../src/models/presets';
import { initVae, type VaeConfig, vaeLoss } from '../src/models/vae/vae';
import { useBackend } from '../src/runtime/backend';
import type { Parameters } from '../src/runtime/parameters';
import { foldIn, key, normal, randint } from '../src/runtime/random';
import { compiledStep } from '../src/training/compiled-step';
import { type Shards, sampleShards, tokenShards } from '../src/training/shards';
import type { Batch, Loss } from '../src/training/step';
import type { BenchmarkOptions } from './main';
import { type Comparison, type ComparisonRow, compare, printComparison } from './shared-compare';

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

export async function run(options: BenchmarkOptions): Promise<ComparisonRow[]> {
  const { reason, name } = await useBackend();
  options.log(`compiled steps (eager parts on ${name}: ${reason})`);
  return compare('training', cases(), options);
}

export const print = printComparison;

export function cases(): Comparison[] {
  return [
    mlp(256, 8),
    mlp(2048, 3),
    vit({ width: 256, depth: 4, heads: 4, batch: 8, tokens: 80 }, 4),
    vit({ width: 128, depth: 3, heads: 4, batch: 32, tokens: 24 }, 8),
    mar(),
    vae(),
  ];
}

/** A compiled step on one batch; clipping and averages as in a real training. */
function prepared(
  loss: Loss,
  initial: () => Parameters,
  batch: () => Batch,
  shards: Shards = sampleShards,
): Comparison['prepare'] {
  return async (threads) => {
    const step = compiledStep(loss, initial(), { clipNorm: 3, threads, shards });
    const data = batch();
    return { run: () => step.update(data, 1e-4), dispose: () => step.dispose() };
  };
}

function mlp(rows: number, count: number): Comparison {
  const size = { channels: 16, conditionWidth: 256, width: 256, depth: 4 };
  return {
    case: `(a) adaLN MLP 256x4, ${rows} rows`,
    target: 1,
    count,
    spec: { kind: 'mlp', size: { ...size, rows } },
    prepare: prepared(
      (p, { x, t, c, y }) =>
        diffusionHead(p, x as tf.Tensor2D, t as tf.Tensor1D, c as tf.Tensor2D, '')
          .sub(y)
          .square()
          .mean() as tf.Scalar,
      () => initDiffusionHead(size, seed, ''),
      () => ({
        x: gaussian('x', [rows, 16]),
        c: gaussian('c', [rows, 256]),
        y: gaussian('y', [rows, 32]),
        t: tf.tensor1d(randint(seed, rows, 0, 1000), 'int32'),
      }),
    ),
  };
}

function vit(
  size: { width: number; depth: number; heads: number; batch: number; tokens: number },
  count: number,
): Comparison {
  const { width, depth, heads, batch, tokens } = size;
  const shapes: Shapes = new Map();
  for (let i = 0; i < depth; i++) addBlockShapes(shapes, `${i}`, width, 4);
  const start = (name: string) => (name.endsWith('.bias') ? zeros : name.includes('norm') ? ones : xavier);
  return {
    case: `(b) ViT ${width}x${depth}, ${batch}x${tokens} tokens`,
    target: 1,
    count,
    spec: { kind: 'vit', size },
    prepare: prepared(
      (p, { x, y }) => {
        let out = x as tf.Tensor3D;
        for (let i = 0; i < depth; i++) out = block(p, `${i}`, out, { heads, epsilon: 1e-6 });
        return out.sub(y).square().mean() as tf.Scalar;
      },
      () => initialise(shapes, seed, start),
      () => ({ x: gaussian('x', [batch, tokens, width]), y: gaussian('y', [batch, tokens, width]) }),
    ),
  };
}

function mar(): Comparison {
  const config = PRESETS.get('mar-small')!.config as MarConfig;
  const batch = 64;
  const draws = () => {
    const { dropout: _, ...rest } = drawMar(config, batch, seed, { masked: 12 });
    return rest;
  };
  const { kept, source, wanted } = draws();
  const indices = { kept: [...kept.dataSync()], source: [...source.dataSync()], wanted: [...wanted.dataSync()] };
  return {
    case: '(c) MAR of the small profile, batch 64',
    target: 0.9,
    count: 4,
    spec: { kind: 'mar', size: { config, batch, indices } },
    prepare: prepared(
      (p, data) => marLoss(p, config, data as never, data as never),
      () => initMar(config, seed),
      () => ({
        ...draws(),
        latents: gaussian('latents', [batch, 4, 4, 8]),
        labels: tf.tensor1d(randint(seed, batch, 0, 10), 'int32'),
      }),
      tokenShards(config.noisesPerToken),
    ),
  };
}

function vae(): Comparison {
  const config = PRESETS.get('vae-small')!.config as VaeConfig;
  const side = config.resolution / 2 ** (config.multipliers.length - 1);
  const batch = 16;
  return {
    case: '(f) VAE of the small profile, batch 16',
    target: 1.3,
    count: 2,
    spec: { kind: 'vae', size: { config, batch }, compile: false },
    prepare: prepared(
      (p, { images, noise }) => vaeLoss(p, config, images as tf.Tensor4D, noise as tf.Tensor4D, 1e-6),
      () => initVae(config, seed),
      () => ({
        images: gaussian('images', [batch, config.resolution, config.resolution, 3]),
        noise: gaussian('noise', [batch, side, side, config.latentChannels]),
      }),
    ),
  };
}
