import { key, normal } from '../src/runtime/random';
import { releaseKernelMemory, sinkhorn } from '../src/transport';
import { peakOf } from './shared-resident';

// A process of its own: prints by how many bytes a solve of n x n points in dimension d raises the peak of resident memory.
// Everything that a program pays once (code, the helper threads, the points themselves) is there before: small solves have
// run, what they keep is released and collected, and the system's record of the peak is reset.
const [n, d] = process.argv.slice(2).map(Number);
const cloud = (seed: number, count: number) => Float32Array.from(normal(key(seed), count * d));
const options = { engine: 'float32', maxIterations: 3, tolerance: 0, threads: n >= 2048 ? 2 : 1 } as const;
const small = { x: cloud(1, 64), y: cloud(2, 64), dimension: d };
for (let k = 0; k < 200; k++) sinkhorn(small, options);
const problem = { x: cloud(1, n), y: cloud(2, n), dimension: d };
releaseKernelMemory();

void peakOf(() => sinkhorn(problem, options)).then((bytes) => console.log(bytes));
