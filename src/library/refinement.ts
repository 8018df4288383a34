// Algorithm 1: ideal-law buffers, the inverse process, the step and its rivals.
export * from '../refinement/condition-refinement';
export * from '../refinement/ideal-conditions';
export * from '../refinement/inverse-process';
export * from '../refinement/optimal-transport';
export * from '../refinement/refiner';
export * from '../refinement/rivals';
