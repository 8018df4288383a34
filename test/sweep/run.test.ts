import { strict as assert } from 'node:assert';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SweepFile } from '../../src/sweep/plan';
import { runSweep } from '../../src/sweep/run';
import { RowStore } from '../../src/sweep/store';
import { JOURNAL } from '../../src/sweep/toy-experiment';
import { childrenOf, measured, planSweep, temporaryFolder, until } from './support';

describe('sweep/run', () => {
  const folder = temporaryFolder();
  let serial = 0;
  const fresh = () => new RowStore(join(folder, String(serial++)), { leaseSeconds: 30 });
  const lines = (journal: string) => (existsSync(journal) ? readFileSync(journal, 'utf8').trim().split('\n') : []);

  /** Every run of the toy experiment adds a line to this file, in processes started from here. */
  function journalAt(name: string): string {
    const path = join(folder, name);
    process.env[JOURNAL] = path;
    return path;
  }
  after(() => delete process.env[JOURNAL]);

  /** `cer sweep` in a process of its own; its journal tells what was run. */
  function start(file: SweepFile, out: string): ChildProcess {
    const path = join(folder, `sweep-${serial++}.json`);
    writeFileSync(path, JSON.stringify(file));
    const args = ['bin/cer.cjs', 'sweep', path, '--out', out, '--processes', '2', '--no-figures', '--json'];
    return spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  }
  const ended = (child: ChildProcess) => new Promise<number | null>((resolve) => child.once('exit', resolve));

  it('makes every row once, skips what is there, and gives the same rows with one process or two', async () => {
    const journal = journalAt('journal-1');
    const plan = planSweep({ experiment: 'toy', base: { noise: 1 }, grid: { x: [0, 1, 2] }, seeds: [1, 2] });
    const one = await runSweep(plan, fresh(), { processes: 1 });
    const two = fresh();
    const progress: string[] = [];
    const rows = await runSweep(plan, two, {
      processes: 2,
      onProgress: ({ done, total }) => progress.push(`${done}/${total}`),
    });
    assert.deepEqual(measured(rows), measured(one));
    assert.deepEqual(progress, ['0/6', '1/6', '2/6', '3/6', '4/6', '5/6', '6/6']);
    assert.equal((rows[0].values.loss as number) - 5 < 10, true);
    assert.deepEqual(await runSweep(plan, two), rows); // seconds too: nothing was made again
    assert.deepEqual(readdirSync(two.claims), []);
    assert.equal(lines(journal).length, 12); // six rows, made with one process and with two
  });

  it('a row that fails is a row with its error; it is made again on request only', async () => {
    const store = fresh();
    const plan = planSweep({ experiment: 'toy', grid: { fails: [false, true] } });
    const rows = await runSweep(plan, store, { processes: 1 });
    assert.deepEqual(
      rows.map(({ status }) => status),
      ['done', 'failed'],
    );
    assert.match(rows[1].error!, /fails = true/);
    assert.deepEqual(await runSweep(plan, store), rows);
    let again = 0;
    await runSweep(plan, store, { processes: 1, retryFailed: true, onProgress: ({ row }) => (again += row ? 1 : 0) });
    assert.equal(again, 1);
  });

  it('two sweeps at a time share the work, and a killed one costs nothing but the rows under way', async function () {
    this.timeout(180_000);
    const journal = journalAt('journal-2');
    const store = fresh();
    const file: SweepFile = {
      experiment: 'toy',
      base: { milliseconds: 300 },
      grid: { x: [0, 1, 2, 3], y: [0, 1, 2] },
      seeds: [1, 2],
    };
    const victim = start(file, store.folder);
    const survivor = start(file, store.folder);
    await until('both have begun', () => lines(journal).length >= 8, 150);
    victim.kill('SIGKILL');
    assert.equal(await ended(survivor), 0);
    const plan = planSweep(file);
    assert.deepEqual(readdirSync(store.rows).sort(), plan.tasks.map(({ key }) => `${key}.json`).sort());
    // Each row was run once, but for those that the killed one had under way: two processes, so two at most.
    const runs = lines(journal);
    assert.equal(new Set(runs).size, 24);
    assert.ok(runs.length <= 26, `${runs.length} runs of 24 rows`);
    assert.deepEqual(readdirSync(store.claims), []);
  });

  it('Ctrl-C ends the children, leaves whole rows and no claim; the same command goes on', async function () {
    this.timeout(180_000);
    const journal = journalAt('journal-3');
    const store = fresh();
    const file: SweepFile = {
      experiment: 'toy',
      base: { milliseconds: 400 },
      grid: { x: [0, 1, 2, 3, 4, 5] },
    };
    const child = start(file, store.folder);
    await until('one row is there', () => readdirSync(store.rows).length > 0, 150);
    child.kill('SIGINT');
    assert.equal(await ended(child), 130);
    const plan = planSweep(file);
    const made = readdirSync(store.rows).length;
    assert.ok(made < 6);
    for (const name of readdirSync(store.rows)) assert.equal(store.read(name.slice(0, -5))!.status, 'done');
    assert.deepEqual(readdirSync(store.claims), []);
    const before = lines(journal).length;
    await new Promise((resolve) => setTimeout(resolve, 600)); // longer than a run: an orphan would begin the next
    assert.equal(lines(journal).length, before);
    assert.equal((await runSweep(plan, store, { processes: 2 })).length, 6);
    assert.equal(lines(journal).length, before + 6 - made);
  });

  it('a child that dies is a failed row; the others are made', async () => {
    const store = fresh();
    const journal = journalAt('journal-4');
    const plan = planSweep({ experiment: 'toy', base: { milliseconds: 300 }, grid: { x: [0, 1, 2] } });
    const running = runSweep(plan, store, { processes: 1 });
    await until('a row is under way', () => lines(journal).length > 0);
    for (const pid of childrenOf(process.pid)) process.kill(pid, 'SIGKILL');
    const rows = await running;
    assert.deepEqual(rows.map(({ status }) => status).sort(), ['done', 'done', 'failed']);
    assert.match(rows.find(({ status }) => status === 'failed')!.error!, /SIGKILL/);
  });

  it('a damaged row is made again with a message; the others stay', async () => {
    const messages: string[] = [];
    const store = new RowStore(join(folder, String(serial++)), { onDamage: (message) => messages.push(message) });
    const plan = planSweep({ experiment: 'toy', grid: { x: [0, 1] } });
    const rows = await runSweep(plan, store, { processes: 1 });
    const path = join(store.rows, `${rows[0].key}.json`);
    writeFileSync(path, readFileSync(path, 'utf8').replace('"loss":5', '"loss":4'));
    const again = await runSweep(plan, store, { processes: 1 });
    assert.deepEqual(measured(again), measured(rows));
    assert.deepEqual(again[1], rows[1]);
    assert.match(messages[0], /checksum.*makes the row again.*damaged/);
  });
});
