// Everything that runs in Node and in a browser alike. `index.ts` adds the files and threads of Node.
export { barycentricProjection } from './barycentric';
export {
  type AffineMap,
  type Gaussian,
  type GaussianGiven,
  gaussianBarycentre,
  gaussianDistance,
  gaussianGeodesic,
  gaussianMap,
  gaussianOfPoints,
  gaussianSinkhorn,
} from './bures';
export { type DivergenceResult, divergenceGradient, type SelfTerm, selfTerm, sinkhornDivergence } from './divergence';
export { kernelModules, loadKernels } from './engine/kernel-modules';
export { releaseKernelMemory, retainedKernelBytes } from './engine/workspace';
export type { Epsilon } from './epsilon';
export { type ExactResult, exactTransport } from './exact';
export { type Anchor, eulerGaussian, jkoGaussian, jkoStep, type ParticleStep, type ParticleStepOptions } from './jko';
export type { NumberArray, Numbers } from './numbers';
export { transportOnLine } from './one-dimensional';
export type { SinkhornOptions, Unbalanced } from './options';
export type { Marginals, MatrixProblem, Metric, PointProblem, TransportProblem } from './problem';
export { SinkhornResult } from './result';
export { sinkhorn } from './sinkhorn';
export type { MarginalCheck, Status } from './solution';
