/**
 * Threads that one computation may use: the environment variable CER_THREADS, else 2, the cores of the reference machine. Processes
 * that share the cores (sweeps, trainings side by side) are started with 1. Works in a browser, where there is no environment.
 */
export function defaultThreads(): number {
  const given = Number(globalThis.process?.env?.CER_THREADS);
  return Number.isInteger(given) && given >= 1 ? given : 2;
}
