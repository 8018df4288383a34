import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Arrays of one update, as float32 offsets into the kernel's memory. */
export interface UpdateArrays {
  weights: number;
  gradients: number;
  first: number;
  second: number;
  average: number;
}

/** Numbers of one AdamW update; see `adamW` in training/optimizer for the formulas. */
export interface UpdateNumbers {
  /** Factor on the gradients, in (0, 1]. */
  clip: number;
  beta1: number;
  beta2: number;
  /** Learning rate over the bias correction of the first moment. */
  stepSize: number;
  /** 1 / sqrt(1 - beta2^step). */
  inverseRootCorrection: number;
  epsilon: number;
  /** Share of the moving average that stays. */
  emaRate: number;
}

/** The optimizer's inner loops over flat memory. */
export interface UpdateKernel {
  readonly name: 'simd' | 'plain';
  /** The memory, as one float32 array. */
  readonly memory: Float32Array;
  /** Sum of squares of `count` numbers from `at` on, in float64. */
  sumOfSquares(at: number, count: number): number;
  /** AdamW on `count` numbers from `at` on in each array; `keep` is the factor of weight decay. */
  update(arrays: UpdateArrays, at: number, count: number, keep: number, numbers: UpdateNumbers): void;
}

const WASM = join(__dirname, 'kernels', 'adamw.wasm');
const PAGE = 65536;
/** WebAssembly addresses 4 GiB. */
const MAX_PAGES = 65536;
let compiled: WebAssembly.Module | undefined;

/**
 * Memory for `floats` numbers and the loops over it: SIMD WebAssembly where it has been built (`npm run build:kernels`) and
 * the memory fits in 4 GiB, else the same in TypeScript, about five times slower.
 */
export function updateKernel(floats: number, prefer: 'simd' | 'plain' = 'simd'): UpdateKernel {
  const pages = Math.max(2, Math.ceil((floats * 4) / PAGE));
  if (prefer === 'plain' || pages > MAX_PAGES || !existsSync(WASM)) return plainKernel(new Float32Array(floats));
  compiled ??= new WebAssembly.Module(readFileSync(WASM));
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const abort = () => {
    throw new Error('the update kernel stopped');
  };
  const { exports } = new WebAssembly.Instance(compiled, { env: { memory, abort } });
  const sumOfSquares = exports.sumOfSquares as (at: number, count: number) => number;
  const adamw = exports.adamw as (...x: number[]) => void;
  return {
    name: 'simd',
    memory: new Float32Array(memory.buffer, 0, floats),
    sumOfSquares: (at, count) => sumOfSquares(4 * at, count),
    update: (a, at, count, keep, n) =>
      adamw(
        ...[a.weights, a.gradients, a.first, a.second, a.average].map((offset) => 4 * (offset + at)),
        count,
        n.clip,
        keep,
        n.beta1,
        n.beta2,
        n.stepSize,
        n.inverseRootCorrection,
        n.epsilon,
        n.emaRate,
      ),
  };
}

function plainKernel(memory: Float32Array): UpdateKernel {
  return {
    name: 'plain',
    memory,
    sumOfSquares(at, count) {
      let sum = 0;
      for (let i = at; i < at + count; i++) sum += memory[i] * memory[i];
      return sum;
    },
    update(a, at, count, keep, n) {
      for (let i = at; i < at + count; i++) {
        const g = memory[a.gradients + i] * n.clip;
        const m = n.beta1 * memory[a.first + i] + (1 - n.beta1) * g;
        const v = n.beta2 * memory[a.second + i] + (1 - n.beta2) * g * g;
        const w =
          memory[a.weights + i] * keep - (n.stepSize * m) / (Math.sqrt(v) * n.inverseRootCorrection + n.epsilon);
        memory[a.first + i] = m;
        memory[a.second + i] = v;
        memory[a.weights + i] = w;
        memory[a.average + i] = n.emaRate * memory[a.average + i] + (1 - n.emaRate) * w;
      }
    },
  };
}
