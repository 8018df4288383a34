import { strict as assert } from 'node:assert';
import { join } from 'node:path';
import { type Jupyter, projectRoot } from '../../src/reproduce/jupyter';
import { KernelSession } from '../support/kernel-session';

const jupyter = require(join(projectRoot, 'scripts', 'find-jupyter.cjs')).findJupyter() as Jupyter | undefined;
/** A quiet machine needs half a second; this is for one with other work. */
const MOMENT = 5000; // ms

describe('an interrupt', function () {
  this.timeout(180_000);
  let kernel: KernelSession;
  before(async function () {
    if (!jupyter) {
      console.log('skipped: no Jupyter, which runs the kernel');
      return this.skip();
    }
    kernel = await KernelSession.start(jupyter, { CER_PROFILE: 'smoke' });
    const first = await kernel.run(
      `import { progress } from './src/notebook';
       const kept = [41];
       const wait = (milliseconds: number) => new Promise((end) => setTimeout(end, milliseconds));`,
    );
    assert.equal(first.error, undefined);
  });
  after(() => kernel?.close());

  /** Interrupts the cell while it runs, then sees that the kernel is as it was before. */
  async function stops(code: string): Promise<void> {
    const { error, milliseconds } = await kernel.run(code, { interruptAfter: 300 });
    assert.deepEqual(error, {
      name: 'Interrupted',
      text: 'the cell was stopped; what earlier cells made is still there',
    });
    assert.ok(milliseconds < MOMENT, `it took ${milliseconds.toFixed(0)} ms`);
    const next = await kernel.run("await wait(300);\nconsole.log('kept', kept[0] + 1);");
    assert.deepEqual([next.error, next.printed], [undefined, 'kept 42\n']);
  }

  it('ends a loop that waits', () => stops("for (;;) {\n  console.log('turn');\n  await wait(20);\n}"));

  it('ends a loop that computes', () => stops("console.log('starts');\nlet turns = 0;\nfor (;;) turns++;"));

  it('ends a computing function of a promise', () =>
    stops(
      "async function spin() {\n  await wait(1);\n  for (let n = 0; ; n++) if (n === 0) console.log('in');\n}\nawait spin();",
    ));

  it('ends a loop with a progress bar, whether it waits or computes', async () => {
    await stops(
      "const slow = progress('waits', 1e6);\nfor (let i = 0; i < 1e6; i++) {\n  slow.update(i);\n  await wait(10);\n}",
    );
    await stops("const fast = progress('computes', 1e12);\nfor (let i = 0; i < 1e12; i++) fast.update(i);");
  });

  it('ends a loop of promises alone, which leaves timers no turn', () =>
    stops("console.log('starts');\nfor (;;) await Promise.resolve();"));

  it('between cells does nothing, also several of them', async () => {
    for (let n = 0; n < 3; n++) kernel.interrupt();
    await new Promise((end) => setTimeout(end, 500));
    const next = await kernel.run("console.log('well');");
    assert.deepEqual([next.error, next.printed], [undefined, 'well\n']);
  });

  it('leaves a bar of a later cell alone', async () => {
    const next = await kernel.run(
      "const bar = progress('later', 3);\nfor (let i = 0; i < 3; i++) {\n  bar.update(i);\n  await wait(120);\n}\nbar.done();\nconsole.log('done');",
    );
    assert.deepEqual([next.error, next.printed], [undefined, 'done\n']);
  });
});
