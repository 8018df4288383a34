import { strict as assert } from 'node:assert';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Queue } from 'bullmq';
import { MissingDependencyError } from '../../src/runtime/errors';
import { planSweep, type SweepFile } from '../../src/sweep/plan';
import { runQueuedSweep, serveQueue, withoutPassword } from '../../src/sweep/queue';
import { runSweep } from '../../src/sweep/run';
import { RowStore } from '../../src/sweep/store';
import { hasRedis, type RedisServer, redisServer } from './redis';
import { measured, temporaryFolder, until } from './support';

describe('sweep/queue', () => {
  const folder = temporaryFolder();
  const journal = join(folder, 'journal');
  const lines = () => (existsSync(journal) ? readFileSync(journal, 'utf8').trim().split('\n') : []);
  const workers: ChildProcess[] = [];
  let redis: RedisServer;

  /** `cer worker` in a process of its own, with short locks. */
  function worker(name: string): ChildProcess {
    const args = ['bin/cer.cjs', 'worker', '--queue', redis.url, '--queue-name', name];
    const child = spawn(process.execPath, [...args, '--processes', '1', '--lock', '2'], { stdio: 'ignore' });
    workers.push(child);
    return child;
  }
  const gone = (child: ChildProcess) => new Promise((resolve) => child.once('exit', resolve));

  before(async function () {
    this.timeout(60_000);
    if (!hasRedis()) {
      console.log('      skipped: redis-server is not installed (apt-get install redis-server)');
      this.skip();
    }
    const data = join(folder, 'redis');
    mkdirSync(data);
    redis = await redisServer(data);
  });

  after(async () => {
    for (const child of workers) child.kill('SIGKILL');
    await redis?.kill();
  });

  it('rows of a queue are those of local processes; a failing row is tried again and then recorded', async function () {
    this.timeout(60_000);
    const file: SweepFile = { experiment: 'toy', base: { noise: 1 }, grid: { x: [0, 1], fails: [false, true] } };
    const stop = new AbortController();
    const outcomes: string[] = [];
    const serving = serveQueue({
      url: redis.url,
      name: 'same',
      processes: 1,
      signal: stop.signal,
      onRow: (_, outcome) => outcomes.push('error' in outcome ? 'failed' : 'done'),
    });
    const rows = await runQueuedSweep(
      planSweep(file),
      new RowStore(join(folder, 'queued')),
      { url: redis.url, name: 'same' },
      { attempts: 2, lookEvery: 100 },
    );
    stop.abort();
    await serving;
    const local = await runSweep(planSweep(file), new RowStore(join(folder, 'local')), { processes: 1 });
    assert.deepEqual(measured(rows), measured(local));
    assert.deepEqual(outcomes.sort(), ['done', 'done', 'failed', 'failed', 'failed', 'failed']);
    assert.match(rows[1].error!, /fails = true.*\(2 attempts\)/);
    const queue = new Queue('same', { connection: { url: redis.url } });
    assert.deepEqual(await queue.getJobs(), []); // what was gathered is removed
    await queue.close();
  });

  it('a killed worker and a killed Redis lose no row and make none twice', async function () {
    this.timeout(120_000);
    const file: SweepFile = {
      experiment: 'toy',
      base: { milliseconds: 250, journal, noise: 1 },
      grid: { x: [0, 1, 2, 3], y: [0, 1, 2, 3] },
      seeds: [1, 2],
    };
    const plan = planSweep(file);
    const store = new RowStore(join(folder, 'killed'));
    const victim = worker('killed');
    worker('killed');
    const sweep = runQueuedSweep(plan, store, { url: redis.url, name: 'killed' }, { lookEvery: 200 });
    await until('both workers are at it', () => lines().length >= 6);
    victim.kill('SIGKILL');
    await gone(victim);
    await until('the other goes on', () => readdirSync(store.rows).length >= 8);
    await redis.kill();
    await new Promise((resolve) => setTimeout(resolve, 500));
    await redis.start();
    worker('killed'); // one that comes later
    const rows = await sweep;
    assert.equal(rows.length, 32);
    assert.ok(rows.every(({ status }) => status === 'done'));
    const expected = new RowStore(join(folder, 'expected'));
    const quick = planSweep({ ...file, base: { noise: 1 } });
    assert.deepEqual(
      rows.map(({ values }) => values),
      (await runSweep(quick, expected, { processes: 1 })).map(({ values }) => values),
    );
    // One row per key by the store; and no more runs than were lost with the worker (1) and with Redis (1 per worker alive).
    assert.equal(new Set(lines()).size, 32);
    assert.ok(lines().length <= 34, `${lines().length} runs of 32 rows`);
  });

  it('a sweep that died finds what was made in the meantime', async function () {
    this.timeout(60_000);
    const plan = planSweep({ experiment: 'toy', grid: { x: [0, 1, 2] } });
    const store = new RowStore(join(folder, 'left'));
    const queue = new Queue('left', { connection: { url: redis.url } });
    // What a sweep leaves that dies after queueing: the jobs, without anybody who gathers.
    await queue.addBulk(plan.tasks.map((task) => ({ name: 'row', data: task, opts: { jobId: task.key } })));
    const stop = new AbortController();
    const serving = serveQueue({ url: redis.url, name: 'left', processes: 1, signal: stop.signal });
    await until('all are made', async () => (await queue.getJobCountByTypes('completed')) === 3);
    stop.abort();
    await serving;
    assert.equal((await runQueuedSweep(plan, store, { url: redis.url, name: 'left' })).length, 3); // no worker is left
    await queue.close();
  });

  it('a stopped worker gives its row back at once', async function () {
    this.timeout(60_000);
    const plan = planSweep({ experiment: 'toy', base: { milliseconds: 60_000, journal, coupling: 3 } });
    const queue = new Queue('back', { connection: { url: redis.url } });
    await queue.addBulk(plan.tasks.map((task) => ({ name: 'row', data: task, opts: { jobId: task.key } })));
    const stop = new AbortController();
    const before = lines().length;
    const serving = serveQueue({ url: redis.url, name: 'back', processes: 1, signal: stop.signal });
    await until('the row is under way', () => lines().length > before);
    stop.abort();
    await serving;
    assert.equal(await queue.getWaitingCount(), 1);
    assert.equal((await queue.getJob(plan.tasks[0].key))!.attemptsMade, 0);
    await queue.close();
  });

  it('says when no Redis answers, and hides its password', async () => {
    const plan = planSweep({ experiment: 'toy', base: { x: 9 } });
    const store = new RowStore(join(folder, 'nobody'));
    const url = 'redis://someone:secret@127.0.0.1:1';
    await assert.rejects(runQueuedSweep(plan, store, { url }), (error: Error) => {
      assert.ok(error instanceof MissingDependencyError);
      return !error.message.includes('secret') && /redis-server/.test(error.message);
    });
    await assert.rejects(runQueuedSweep(plan, store, { url: 'localhost' }), /redis:\/\/127/);
    assert.equal(withoutPassword('redis://a:b@host:1/0'), 'redis://***@host:1/0');
  });
});
