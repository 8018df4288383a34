import { join } from 'node:path';
import { toyExperiment } from '../sweep/toy-experiment';
import type { Registry } from '../sweep/types';
import { refinementExperiment } from './experiment';

/** Every experiment that a sweep file can name. */
export const EXPERIMENTS: Registry = {
  experiments: [refinementExperiment, toyExperiment],
  processEntry: join(__dirname, 'row-process.cjs'),
};
