import { writeSync } from 'node:fs';
import { useBackend } from '../../src/runtime/backend';
import { train } from '../../src/training/loop';
import { TOY_OPTIONS, toyTask } from './toy';

/** Trains the toy for `steps` steps in `out`, resuming; the test kills it at random moments. */
async function main(out: string, steps: number): Promise<void> {
  await useBackend('cpu');
  await train(toyTask(3), {
    ...TOY_OPTIONS,
    steps,
    out,
    resume: true,
    checkpointEvery: 2,
    logEvery: 1,
    onProgress: ({ step }) => writeSync(1, `${step}\n`),
  });
}

main(process.argv[2], Number(process.argv[3]));
