import { existsSync, readFileSync, writeFileSync } from 'node:fs';

const inProc = existsSync('/proc/self/clear_refs');

/** A field of /proc/self/status in bytes; elsewhere what is resident now. */
function resident(field: 'VmRSS' | 'VmHWM'): number {
  if (!inProc) return process.memoryUsage().rss;
  return 1024 * Number(readFileSync('/proc/self/status', 'utf8').match(new RegExp(`${field}:\\s+(\\d+)`))?.[1]);
}

/** By how many bytes a piece of work raises the peak of resident memory; needs `--expose-gc`. */
export async function peakOf(work: () => unknown): Promise<number> {
  for (let k = 0; k < 3; k++) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 50)); // freed memory goes back on another thread
  }
  if (inProc) writeFileSync('/proc/self/clear_refs', '5'); // resets VmHWM, see proc(5)
  const before = resident('VmRSS');
  await work();
  return resident('VmHWM') - before;
}
