// Section 3 of the paper in float64: needs ml-matrix alone, in Node and in browsers.
export * from '../theory/assumptions';
export * from '../theory/autoregression';
export * from '../theory/claim';
export * from '../theory/condition-error';
export * from '../theory/convergence';
export * from '../theory/decay';
export * from '../theory/diagnostics';
export * from '../theory/ergodicity';
export * from '../theory/example-mixtures';
export * from '../theory/exponential-decay';
export * from '../theory/gaussian-mixture';
export {
  anchorBias,
  entropicFlow,
  eulerRate,
  type JointGaussian as JointFlowLaw,
  jointEnergy,
  jointStep,
  type ParticlePath,
  particleFlow,
  proximalRate,
} from '../theory/gradient-flow';
export * from '../theory/guidance';
export * from '../theory/inconsistency';
export * from '../theory/influence';
export {
  applyKernel,
  type LinearKernel,
  type NormalLaw,
  normalDivergence,
  normalWasserstein,
} from '../theory/linear-gaussian';
export * from '../theory/matrix-scaling';
export * from '../theory/patch-denoising';
export * from '../theory/predictive-subspace';
export * from '../theory/regularity';
export * from '../theory/score-matching';
export * from '../theory/trajectories';
