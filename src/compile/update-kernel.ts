import { existsSync, readFileSync } from 'node:fs';
import { kernelFile } from './kernel-folder';

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

/** One call of a kernel; arrays as byte offsets into its memory. */
export interface KernelCall {
  name: 'sumOfSquares' | 'combine' | 'adamw';
  values: number[];
}

/** The optimizer's inner loops over flat memory. */
export interface UpdateKernel {
  readonly name: 'simd' | 'plain';
  /** The memory, as one float32 array. */
  readonly memory: Float32Array;
  /** For helper threads that share the work; only if the memory is shared. */
  readonly shared?: { module: WebAssembly.Module; memory: WebAssembly.Memory };
  /** Result of the call; 0 for an update. */
  run(call: KernelCall): number;
}

/** Sum of squares of `count` numbers from `at` on, in float64. */
export const squaresCall = (at: number, count: number): KernelCall => ({
  name: 'sumOfSquares',
  values: [4 * at, count],
});

/** `target = (target + source) factor` on `count` numbers; returns the sum of squares of the result, in float64. */
export function combineCall(target: number, source: number, count: number, factor: number): KernelCall {
  return { name: 'combine', values: [4 * target, 4 * source, count, factor] };
}

/** AdamW on `count` numbers from `at` on in each array; `keep` is the factor of weight decay. */
export function updateCall(a: UpdateArrays, at: number, count: number, keep: number, n: UpdateNumbers): KernelCall {
  const arrays = [a.weights, a.gradients, a.first, a.second, a.average].map((offset) => 4 * (offset + at));
  const numbers = [n.clip, keep, n.beta1, n.beta2, n.stepSize, n.inverseRootCorrection, n.epsilon, n.emaRate];
  return { name: 'adamw', values: [...arrays, count, ...numbers] };
}

const PAGE = 65536;
/** WebAssembly addresses 4 GiB. */
const MAX_PAGES = 65536;
export const MOST_FLOATS = (MAX_PAGES * PAGE) / 4;
const modules = new Map<string, WebAssembly.Module>();

/** A build of the kernels, if `npm run build:kernels` has made it. */
function load(build: 'adamw' | 'adamw-shared'): WebAssembly.Module | undefined {
  const file = kernelFile(`${build}.wasm`);
  if (!modules.has(build) && existsSync(file)) modules.set(build, new WebAssembly.Module(readFileSync(file)));
  return modules.get(build);
}

/**
 * Memory for `floats` numbers and the loops over it: SIMD WebAssembly where it has been built (`npm run build:kernels`) and
 * the memory fits in 4 GiB, else the same in TypeScript, about five times slower.
 * @param prefer `shared`: memory that helper threads can work on too; without the build the result is not shared.
 */
export function updateKernel(floats: number, prefer: 'simd' | 'shared' | 'plain' = 'simd'): UpdateKernel {
  const pages = Math.max(2, Math.ceil((floats * 4) / PAGE));
  const module =
    prefer === 'plain' || pages > MAX_PAGES ? undefined : load(prefer === 'shared' ? 'adamw-shared' : 'adamw');
  if (!module) return plainKernel(new Float32Array(floats));
  const shared = prefer === 'shared';
  const memory = new WebAssembly.Memory({ initial: pages, maximum: shared ? MAX_PAGES : pages, shared });
  const abort = () => {
    throw new Error('the update kernel stopped');
  };
  const { exports } = new WebAssembly.Instance(module, { env: { memory, abort } });
  return {
    name: 'simd',
    memory: new Float32Array(memory.buffer, 0, floats),
    shared: shared ? { module, memory } : undefined,
    run: ({ name, values }) => (exports[name] as (...x: number[]) => number | undefined)(...values) ?? 0,
  };
}

function plainKernel(memory: Float32Array): UpdateKernel {
  const sumOfSquares = (at: number, count: number) => {
    let sum = 0;
    for (let i = at / 4; i < at / 4 + count; i++) sum += memory[i] * memory[i];
    return sum;
  };
  const loops: Record<KernelCall['name'], (...x: number[]) => number> = {
    sumOfSquares,
    combine(target, source, count, factor) {
      for (let i = 0; i < count; i++) {
        memory[target / 4 + i] = (memory[target / 4 + i] + memory[source / 4 + i]) * factor;
      }
      return sumOfSquares(target, count);
    },
    adamw(...values) {
      const [weights, gradients, first, second, average] = values.map((offset) => offset / 4);
      const [count, clip, keep, beta1, beta2, stepSize, inverseRootCorrection, epsilon, emaRate] = values.slice(5);
      for (let i = 0; i < count; i++) {
        const g = memory[gradients + i] * clip;
        const m = beta1 * memory[first + i] + (1 - beta1) * g;
        const v = beta2 * memory[second + i] + (1 - beta2) * g * g;
        const w = memory[weights + i] * keep - (stepSize * m) / (Math.sqrt(v) * inverseRootCorrection + epsilon);
        memory[first + i] = m;
        memory[second + i] = v;
        memory[weights + i] = w;
        memory[average + i] = emaRate * memory[average + i] + (1 - emaRate) * w;
      }
      return 0;
    },
  };
  return { name: 'plain', memory, run: ({ name, values }) => loops[name](...values) };
}
