import { inlineKernels } from './kernel-inline';

/** Compiled kernels: one module with memory of its own, one for memory shared between threads (absent in most browsers). */
export interface KernelModules {
  single: WebAssembly.Module;
  shared?: WebAssembly.Module;
  relaxed: boolean;
}

/** Starts helper threads for one solve; the Node side of the library provides it. */
export interface ThreadTeam {
  /** Calls `name` on helper `index` (1 ..) with `values`; returns at once. */
  post(index: number, name: KernelName, values: number[]): void;
  /** Waits until helper `index` is done; false when it failed and the caller must do its part itself. */
  wait(index: number): boolean;
  /** Ends the session; the threads sleep until the next. */
  end(): void;
}
export type StartThreads = (helpers: number, module: WebAssembly.Module, memory: WebAssembly.Memory) => ThreadTeam;

export const KERNEL_NAMES = [
  'applyRows',
  'costBlock',
  'costBlockWide',
  'finishRows',
  'scalingPass',
  'symmetricPass',
  'columnStep',
  'logPass',
  'logColumnStep',
  'streamSum',
] as const;
export type KernelName = (typeof KERNEL_NAMES)[number];
export type Kernels = Record<KernelName, (...values: number[]) => number>;

let modules: KernelModules | undefined;
// The default is a reference, not a call on loading: a bundle that uses none of the solver then holds no kernels.
let find: () => KernelModules | undefined = inlineKernels;
let start: StartThreads | undefined;

/** Names where kernels come from when they are first needed (Node reads files) and how threads are started. */
export function provideKernels(finder: () => KernelModules | undefined, startThreads?: StartThreads): void {
  find = finder;
  start = startThreads;
  modules = undefined;
}

/** The kernels, or undefined where there are none: the solver then runs the float64 oracle. */
export function kernelModules(): KernelModules | undefined {
  modules ??= find();
  return modules;
}

/** How to start helper threads, or undefined where there are none. */
export function threadStarter(): StartThreads | undefined {
  return start;
}

/**
 * Compiles kernels from bytes, before the first `sinkhorn`: the way in for a page that bundles the sources itself (the
 * published browser build carries its kernels inside).
 * @param bytes gives the file of a build by its name, e.g. `(name) => fetch('/kernels/' + name).then((r) => r.arrayBuffer())`.
 */
export async function loadKernels(bytes: (name: string) => Promise<ArrayBuffer | Uint8Array>): Promise<void> {
  const relaxedBytes = (await bytes('relaxed.wasm')) as BufferSource;
  const relaxed = WebAssembly.validate(relaxedBytes);
  const single = await WebAssembly.compile(relaxed ? relaxedBytes : ((await bytes('simd.wasm')) as BufferSource));
  provideKernels(() => ({ single, relaxed }));
}
