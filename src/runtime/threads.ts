/**
 * Threads that one computation may use: the environment variable CER_THREADS, else two, or half of the cores where that is more, but
 * at most eight. More gain little at these sizes (measured on 16 cores), and where two of the cores share one, half of them is all.
 * Processes that share the cores (sweeps, trainings side by side) are started with 1. Works in a browser, where there are two.
 */
export function defaultThreads(): number {
  const { process } = globalThis;
  const given = Number(process?.env?.CER_THREADS);
  if (Number.isInteger(given) && given >= 1) return given;
  const cores = process?.getBuiltinModule?.('os').availableParallelism() ?? 2;
  return Math.min(cores, Math.max(2, Math.min(8, cores >> 1)));
}
