import { existsSync, readFileSync } from 'node:fs';
import { key, normal } from '../src/runtime/random';
import { sinkhorn } from '../src/transport';

// A process of its own: prints by how many bytes a solve of n x n points in dimension d raises the peak of resident memory.
const [n, d] = process.argv.slice(2).map(Number);
const cloud = (seed: number, count: number) => Float32Array.from(normal(key(seed), count * d));
sinkhorn({ x: cloud(1, 64), y: cloud(2, 64), dimension: d }, { engine: 'float32', maxIterations: 2, tolerance: 0 });
const problem = { x: cloud(1, n), y: cloud(2, n), dimension: d };
const before = process.memoryUsage().rss;
/** Peak of this process; where the system does not tell, what is resident now (nothing has been collected yet). */
function peak(): number {
  if (!existsSync('/proc/self/status')) return process.memoryUsage().rss;
  return 1024 * Number(readFileSync('/proc/self/status', 'utf8').match(/VmHWM:\s+(\d+)/)?.[1]);
}
sinkhorn(problem, { engine: 'float32', maxIterations: 3, tolerance: 0 });
console.log(peak() - before);
