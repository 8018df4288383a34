import * as tf from '@tensorflow/tfjs';
import { Comparison, type ParityRow } from './comparison';
import type { ReferenceCase } from './reference';

/** Recomputes the cases of one family, recognised by the fields of their JSON, and compares. */
export interface Runner {
  family: string;
  matches(given: ReferenceCase): boolean;
  run(given: ReferenceCase, compare: Comparison): void | Promise<void>;
}

/** Runs one case. A failure of the run itself is a row that does not hold; tensors made on the way are disposed of. */
export async function runCase(runner: Runner, given: ReferenceCase): Promise<ParityRow[]> {
  const compare = new Comparison(given.name);
  tf.engine().startScope();
  try {
    await runner.run(given, compare);
  } catch (error) {
    compare.add(`stopped: ${(error as Error).message}`, Number.POSITIVE_INFINITY, 0);
  } finally {
    tf.engine().endScope();
  }
  if (compare.rows.length === 0) compare.add('stopped: nothing was compared', Number.POSITIVE_INFINITY, 0);
  return compare.rows;
}
