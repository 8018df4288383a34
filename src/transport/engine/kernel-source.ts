import type { KernelModules } from './kernel-modules';

/**
 * The kernels that a build carries inside itself: none here, where Node reads them from files and pages call `loadKernels`.
 * `scripts/build-library.cjs` puts `kernel-inline.ts` in the place of this file when it builds for browsers.
 */
export function builtInKernels(): KernelModules | undefined {
  return undefined;
}
