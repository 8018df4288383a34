export { barycentricProjection } from './barycentric';
export {
  type DivergenceResult,
  divergenceGradient,
  type SelfTerm,
  selfTerm,
  sinkhornDivergence,
} from './divergence';
export type { Epsilon } from './epsilon';
export type { SinkhornOptions, Unbalanced } from './options';
export type { Marginals, MatrixProblem, Metric, NumberArray, PointProblem, TransportProblem } from './problem';
export { SinkhornResult } from './result';
export { sinkhorn } from './sinkhorn';
export type { MarginalCheck, Status } from './solution';
