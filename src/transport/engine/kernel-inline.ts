// Base64 text of kernels/relaxed.wasm and simd.wasm, which scripts/build-library.cjs puts in when it builds for browsers.
declare const RELAXED_KERNELS: string;
declare const SIMD_KERNELS: string;

/** Kernels from inside a bundle; undefined where there are none (in Node, before `loadKernels` in other bundles) and where WebAssembly is refused. */
export function inlineKernels(): { single: WebAssembly.Module; relaxed: boolean } | undefined {
  const bytes = (text: string) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  try {
    const fast = bytes(RELAXED_KERNELS);
    const relaxed = WebAssembly.validate(fast);
    return { single: new WebAssembly.Module(relaxed ? fast : bytes(SIMD_KERNELS)), relaxed };
  } catch {
    return undefined;
  }
}
