import { strict as assert } from 'node:assert';
import * as tf from '@tensorflow/tfjs';
import { compile } from '../../src/compile';
import { useBackend } from '../../src/runtime/backend';
import { type Program, randomProgram } from './random-programs';

/** How many programs; CER_TEST_PROGRAMS asks for more. */
const PROGRAMS = Number(process.env.CER_TEST_PROGRAMS ?? 200);
const FIRST = Number(process.env.CER_TEST_FIRST ?? 0);

describe('compile: random programs', function () {
  this.timeout(0);
  before(() => useBackend('cpu'));
  after(() => useBackend());

  it(`${PROGRAMS} programs and gradients equal eager tfjs, in shape, type and value`, () => {
    const wrong: string[] = [];
    let refused = 0;
    for (let seed = FIRST; seed < FIRST + PROGRAMS; seed++) {
      tf.tidy(() => {
        const program = eager(seed);
        if (!program) refused++;
        const failure = program && different(program);
        if (failure) wrong.push(`${seed}: ${failure}`);
      });
    }
    assert.deepEqual(wrong, []);
    assert.ok(refused < PROGRAMS / 10, `${refused} programs that tfjs itself refuses`);
  });
});

/** A program with what eager tfjs makes of it, unless it fails itself (a slice of nothing, gradients of some integers). */
function eager(seed: number): (Program & { want: tf.Tensor }) | undefined {
  try {
    const program = randomProgram(seed);
    return { ...program, want: program.fn(program.inputs) };
  } catch {
    return undefined;
  }
}

/** What differs, if anything does. */
function different(program: Program & { want: tf.Tensor }): string | undefined {
  const { text, inputs, fn, want } = program;
  const compiled = compile(fn);
  try {
    const got = compiled(inputs);
    if (got.dtype !== want.dtype || `${got.shape}` !== `${want.shape}`) {
      return `${text}: ${got.dtype} [${got.shape}] against ${want.dtype} [${want.shape}]`;
    }
    const [a, b] = [got, want].map((x) => x.dataSync() as Float32Array);
    const largest = b.reduce((most, x) => Math.max(most, Math.abs(x)), 1);
    // Integers are exact; a few operations in float32 each, squares of squares among them.
    const tolerance = got.dtype === 'float32' ? 2e-5 * largest : 0;
    const i = a.findIndex((x, j) => !(Object.is(x, b[j]) || Math.abs(x - b[j]) <= tolerance));
    return i < 0 ? undefined : `${text}: entry ${i} is ${a[i]}, not ${b[i]}`;
  } catch (error) {
    return `${text}: ${(error as Error).message.slice(0, 300)}`;
  } finally {
    compiled.dispose();
  }
}
