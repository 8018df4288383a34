import type { KernelModules } from './kernel-modules';

// Base64 text of kernels/relaxed.wasm and simd.wasm, put in by scripts/build-library.cjs.
declare const RELAXED_KERNELS: string;
declare const SIMD_KERNELS: string;

/** Kernels from inside the bundle; undefined where an engine or a content security policy refuses WebAssembly. */
export function builtInKernels(): KernelModules | undefined {
  const bytes = (text: string) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  try {
    const fast = bytes(RELAXED_KERNELS);
    const relaxed = WebAssembly.validate(fast);
    return { single: new WebAssembly.Module(relaxed ? fast : bytes(SIMD_KERNELS)), relaxed };
  } catch {
    return undefined;
  }
}
