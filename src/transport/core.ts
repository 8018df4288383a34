// Everything that runs in Node and in a browser alike. `index.ts` adds the files and threads of Node.
export { barycentricProjection } from './barycentric';
export { type DivergenceResult, divergenceGradient, type SelfTerm, selfTerm, sinkhornDivergence } from './divergence';
export type { Epsilon } from './epsilon';
export { kernelModules, loadKernels } from './kernel-modules';
export type { SinkhornOptions, Unbalanced } from './options';
export type { Marginals, MatrixProblem, Metric, NumberArray, PointProblem, TransportProblem } from './problem';
export { SinkhornResult } from './result';
export { type BatchProblem, sinkhorn, sinkhornBatch } from './sinkhorn';
export type { MarginalCheck, Status } from './solution';
export { releaseKernelMemory, retainedKernelBytes } from './workspace';
