// Algorithm 1: ideal-law buffers, the inverse process, the step and the baseline methods beside it.
export * from '../refinement/baselines';
export * from '../refinement/condition-refinement';
export * from '../refinement/grouping';
export * from '../refinement/ideal-conditions';
export * from '../refinement/inverse-process';
export * from '../refinement/law';
export * from '../refinement/optimal-transport';
export * from '../refinement/refiner';
export * from '../refinement/rows';
