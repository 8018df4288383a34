// What every part of the library shares. The parts are sub-paths: `condition-refinement/transport` and so on.
export * from '../runtime/errors';
export * from '../runtime/random';
