import { strict as assert } from 'node:assert';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { useBackend } from '../../src/runtime/backend';
import { key, uniform } from '../../src/runtime/random';
import { loadCheckpoint } from '../../src/training/checkpoint';
import { trainStep } from '../../src/training/compiled-step';
import { type Progress, type TrainingOptions, train } from '../../src/training/loop';
import { eagerStep } from '../../src/training/step';
import { TOY_OPTIONS, toyTask } from './toy';

/** Kills per run of the test; more with CER_KILLS=20. Each costs a start of Node. */
const KILLS = Number(process.env.CER_KILLS ?? 3);

async function run(out: string | undefined, options: Partial<TrainingOptions> & { steps: number }, poison?: number) {
  const result = await train(toyTask(3, { poison }), {
    ...TOY_OPTIONS,
    out,
    checkpointEvery: 10,
    logEvery: 3,
    ...options,
  });
  const values = (map: Map<string, tf.Tensor>) => [...map].map(([name, x]) => [name, [...x.dataSync()]]);
  const plain = { parameters: values(result.parameters), ema: values(result.ema) };
  tf.dispose([...result.parameters.values(), ...result.ema.values()]);
  return { ...result, ...plain, losses: [...result.losses] };
}

const lines = (out: string): Progress[] =>
  readFileSync(join(out, 'log.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

describe('training/loop', () => {
  let out: string;
  before(async () => {
    await useBackend();
  });
  beforeEach(() => {
    out = mkdtempSync(join(tmpdir(), 'cer-loop-'));
  });
  afterEach(() => rmSync(out, { recursive: true, force: true }));

  it('learns, logs means of the losses, and leaves no tensor behind', async function () {
    this.timeout(120_000); // a second on a quiet machine
    const before = tf.memory().numTensors;
    const counts = new Set<number>();
    const { losses } = await run(out, {
      steps: 300,
      makeStep: eagerStep,
      onProgress: ({ tensors }) => counts.add(tensors),
    });
    assert.equal(tf.memory().numTensors, before);
    assert.equal(counts.size, 1, `tensors while training: ${[...counts]}`);
    const mean = (from: number, to: number) => losses.slice(from, to).reduce((a, b) => a + b, 0) / (to - from);
    assert.ok(mean(280, 300) < 0.1 * mean(0, 10), `${mean(0, 10)} to ${mean(280, 300)}`);
    const log = lines(out);
    assert.deepEqual(
      log.map(({ step }) => step),
      Array.from({ length: 100 }, (_, i) => 3 * (i + 1)),
    );
    assert.ok(Math.abs(log[1].loss - mean(3, 6)) < 1e-12);
    assert.ok(log[99].imagesPerSecond > 0 && log[99].etaSeconds === 0 && log[99].memory > 1e6);
  });

  for (const [name, makeStep] of [
    ['eager', eagerStep],
    ['compiled', trainStep],
  ] as const) {
    it(`resumed runs give the very same losses, weights and averages (${name} step)`, async () => {
      const whole = await run(undefined, { steps: 40, makeStep });
      const first = await run(out, { steps: 17, makeStep });
      const stop = new AbortController();
      const second = await run(out, {
        steps: 40,
        resume: true,
        makeStep,
        signal: stop.signal,
        onProgress: ({ step }) => step >= 29 && stop.abort(),
      });
      const third = await run(out, { steps: 40, resume: true, makeStep });
      assert.deepEqual([first.finished, second.finished, third.finished], [true, false, true]);
      assert.deepEqual([second.firstStep, third.firstStep, third.stepsDone], [17, 30, 40]);
      assert.deepEqual(first.losses, whole.losses.slice(0, 17));
      assert.deepEqual(second.losses, whole.losses.slice(0, 30));
      assert.deepEqual(third.losses, whole.losses);
      assert.deepEqual((await run(out, { steps: 40, resume: true, makeStep })).losses, whole.losses);
      assert.deepEqual(third.parameters, whole.parameters);
      assert.deepEqual(third.ema, whole.ema);
      assert.notDeepEqual(third.ema, third.parameters);
    });
  }

  it('killed at random moments, it loses no file and ends with the same weights', async function () {
    this.timeout(120_000);
    const steps = 4000;
    const moments = uniform(key(9), KILLS, 0, 400);
    let resumedFrom = 0;
    for (const moment of moments) {
      const child = spawn(process.execPath, ['--import', 'tsx', join(__dirname, 'kill-child.ts'), out, String(steps)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      await new Promise<void>((resolve, reject) => {
        child.stdout.once('data', () => resolve());
        child.once('exit', () => reject(new Error('the training ended by itself')));
      });
      await new Promise((resolve) => setTimeout(resolve, moment));
      child.kill('SIGKILL');
      await new Promise((resolve) => child.once('exit', resolve));
      const checkpoint = join(out, 'checkpoint.safetensors');
      if (existsSync(checkpoint)) {
        const at = loadCheckpoint(checkpoint)!.state.step;
        assert.ok(at >= resumedFrom, `checkpoint went back from ${resumedFrom} to ${at}`);
        resumedFrom = at;
      }
    }
    assert.ok(resumedFrom > 0 && resumedFrom < steps, `killed at step ${resumedFrom}`);
    const end = resumedFrom + 20;
    const { name } = await useBackend();
    await useBackend('cpu'); // as the children did
    try {
      const resumed = await run(out, { steps: end, resume: true, makeStep: eagerStep });
      const whole = await run(undefined, { steps: end, makeStep: eagerStep });
      assert.equal(resumed.firstStep, resumedFrom);
      assert.deepEqual(resumed.parameters, whole.parameters);
      assert.deepEqual(resumed.losses, whole.losses);
      assert.deepEqual(
        lines(out)
          .map(({ step }) => step)
          .slice(0, resumedFrom),
        Array.from({ length: resumedFrom }, (_, i) => i + 1),
      );
      assert.deepEqual(
        readdirSync(out).filter((file) => !/^(checkpoint\.safetensors|log\.jsonl)$/.test(file)),
        [],
      );
    } finally {
      await useBackend(name);
    }
  });

  it('stops at a loss that is not finite, says where, and keeps the last good checkpoint', async () => {
    for (const makeStep of [eagerStep, trainStep]) {
      await assert.rejects(
        run(out, { steps: 40, makeStep }, 23),
        /Training toy, step 23: got .*(x|batch\.x) not finite.*Last good checkpoint: .*checkpoint\.safetensors/,
      );
      assert.equal(loadCheckpoint(join(out, 'checkpoint.safetensors'))!.state.step, 20);
      const { firstStep } = await run(out, { steps: 30, makeStep, resume: true });
      assert.equal(firstStep, 20);
    }
  });

  it('one training at a time in a folder: another is refused and touches nothing; a dead one is taken over', async () => {
    const lock = join(out, 'lock.json');
    let refused: unknown;
    const { losses } = await run(out, {
      steps: 12,
      onProgress: ({ step }) => {
        if (step !== 6) return;
        assert.equal(JSON.parse(readFileSync(lock, 'utf8')).pid, process.pid);
        refused = run(out, { steps: 12 }).catch((error) => error);
      },
    });
    assert.match(
      String(await refused),
      new RegExp(`in use by process ${process.pid} on .* since 2.*remove .*lock.json`),
    );
    assert.equal(losses.length, 12);
    assert.ok(!existsSync(lock));
    for (const dead of ['', JSON.stringify({ pid: 2 ** 22 + 1, host: hostname(), since: '', begun: '' })]) {
      writeFileSync(lock, dead);
      assert.equal((await run(out, { steps: 12, resume: true })).firstStep, 12);
    }
    writeFileSync(lock, JSON.stringify({ pid: process.pid, host: hostname(), since: 'then', begun: 'before' }));
    if (existsSync('/proc/self/stat')) assert.equal((await run(out, { steps: 12, resume: true })).firstStep, 12);
    writeFileSync(lock, JSON.stringify({ pid: 1, host: 'elsewhere', since: 'then', begun: '' }));
    await assert.rejects(run(out, { steps: 12, resume: true }), /process 1 on elsewhere since then/);
  });

  it('refuses a checkpoint of another training and a file that is none', async () => {
    await run(out, { steps: 12 });
    await assert.rejects(
      train(toyTask(4), { ...TOY_OPTIONS, steps: 20, out, resume: true }),
      /checkpoint.safetensors: got seed = 3; expected seed = 4/,
    );
    await assert.rejects(run(out, { steps: 20, resume: true, clipNorm: 2 }), /clipNorm = 1; expected clipNorm = 2/);
    writeFileSync(join(out, 'checkpoint.safetensors'), 'not a checkpoint');
    await assert.rejects(run(out, { steps: 20, resume: true }), /checkpoint.safetensors/);
    assert.equal((await run(out, { steps: 12 })).firstStep, 0);
  });
});
