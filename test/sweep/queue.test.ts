import { strict as assert } from 'node:assert';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { MissingDependencyError } from '../../src/runtime/errors';
import { EXPERIMENTS } from '../../src/study/experiments';
import type { SweepFile } from '../../src/sweep/plan';
import { runQueuedSweep, serveQueue, withoutPassword } from '../../src/sweep/queue';
import { runSweep } from '../../src/sweep/run';
import { RowStore } from '../../src/sweep/store';
import { JOURNAL } from '../../src/sweep/toy-experiment';
import { hasRedis, type RedisServer, redisServer } from './redis';
import { childrenOf, measured, planSweep, temporaryFolder, until } from './support';

describe('sweep/queue', () => {
  const folder = temporaryFolder();
  let journal: string;
  const lines = () => (existsSync(journal) ? readFileSync(journal, 'utf8').trim().split('\n') : []);
  beforeEach(() => {
    journal = join(folder, `journal-${serial++}`);
    process.env[JOURNAL] = journal;
  });
  const workers: ChildProcess[] = [];
  const queues: Queue[] = [];
  let redis: RedisServer;
  let serial = 0;

  /** Looks into a queue; closed after all tests. */
  function queueOf(name: string): Queue {
    const queue = new Queue(name, { connection: { url: redis.url } });
    queue.on('error', () => {}); // Redis is killed on the way
    queues.push(queue);
    return queue;
  }

  /** `cer worker` in a process of its own, with short locks. */
  function worker(name: string): ChildProcess {
    const args = ['bin/cer.cjs', 'worker', '--queue', redis.url, '--queue-name', name];
    const child = spawn(process.execPath, [...args, '--processes', '1', '--lock', '4'], { stdio: 'ignore' });
    workers.push(child);
    return child;
  }
  const gone = (child: ChildProcess) => new Promise((resolve) => child.once('exit', resolve));

  before(async function () {
    this.timeout(180_000);
    if (!hasRedis()) {
      console.log('      skipped: redis-server is not installed (apt-get install redis-server)');
      this.skip();
    }
    const data = join(folder, 'redis');
    mkdirSync(data);
    redis = await redisServer(data);
  });

  after(async () => {
    delete process.env[JOURNAL];
    for (const child of workers) child.kill('SIGKILL');
    // Not closed, which would wait for a Redis that a failing test has left dead.
    for (const queue of queues) void queue.disconnect().catch(() => {});
    await redis?.kill();
  });

  it('rows of a queue are those of local processes; a failing row is tried again and then recorded', async function () {
    this.timeout(180_000);
    const file: SweepFile = { experiment: 'toy', base: { noise: 1 }, grid: { x: [0, 1], fails: [false, true] } };
    const stop = new AbortController();
    const outcomes: string[] = [];
    const serving = serveQueue({
      registry: EXPERIMENTS,
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
    const queue = queueOf('same');
    assert.deepEqual(await queue.getJobs(), []); // what was gathered is removed
  });

  it('a killed worker and a killed Redis lose no row and make none twice', async function () {
    this.timeout(300_000);
    const file: SweepFile = {
      experiment: 'toy',
      base: { milliseconds: 250, noise: 1 },
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
    const runs = lines(); // of the queue alone: the sweep below writes to the same journal
    assert.equal(rows.length, 32);
    assert.ok(rows.every(({ status }) => status === 'done'));
    const expected = new RowStore(join(folder, 'expected'));
    const quick = planSweep({ ...file, base: { noise: 1 } });
    assert.deepEqual(
      rows.map(({ values }) => values),
      (await runSweep(quick, expected, { processes: 1 })).map(({ values }) => values),
    );
    // One row per key by the store; and no more runs than were lost with the worker (1) and with Redis (1 per worker alive).
    assert.equal(new Set(runs).size, 32);
    assert.ok(runs.length <= 34, `${runs.length} runs of 32 rows`);
  });

  it('the row of a frozen worker goes to another; when it wakes, nothing is made twice and it works on', async function () {
    this.timeout(300_000);
    const file: SweepFile = {
      experiment: 'toy',
      base: { milliseconds: 600, coupling: 7 },
      grid: { x: [0, 1, 2, 3] },
    };
    const plan = planSweep(file);
    const store = new RowStore(join(folder, 'frozen'));
    const frozen = worker('frozen');
    const sweep = runQueuedSweep(plan, store, { url: redis.url, name: 'frozen' }, { lookEvery: 100 });
    await until('it has a row under way', () => lines().length > 0);
    frozen.kill('SIGSTOP');
    const other = worker('frozen');
    const rows = await sweep;
    frozen.kill('SIGCONT');
    assert.deepEqual(
      rows.map(({ status }) => status),
      ['done', 'done', 'done', 'done'],
    );
    const runs = lines();
    assert.equal(new Set(runs).size, 4);
    assert.ok(runs.length <= 5, `${runs.length} runs of 4 rows: only the frozen one may be made again`);
    other.kill('SIGKILL');
    await gone(other);
    const more = planSweep({ ...file, grid: { x: [9] } });
    assert.equal((await runQueuedSweep(more, store, { url: redis.url, name: 'frozen' }, { lookEvery: 100 })).length, 1);
    const queue = queueOf('frozen');
    assert.deepEqual(await queue.getJobs(), []);
    frozen.kill('SIGKILL');
  });

  it('a row whose process dies is tried again, and then is there', async function () {
    this.timeout(180_000);
    const plan = planSweep({ experiment: 'toy', base: { milliseconds: 800, coupling: 11 } });
    const stop = new AbortController();
    const outcomes: string[] = [];
    const serving = serveQueue({
      registry: EXPERIMENTS,
      url: redis.url,
      name: 'dies',
      processes: 1,
      signal: stop.signal,
      onRow: (_, outcome) => outcomes.push('error' in outcome ? outcome.error : 'done'),
    });
    const store = new RowStore(join(folder, 'dies'));
    const sweep = runQueuedSweep(plan, store, { url: redis.url, name: 'dies' }, { lookEvery: 100 });
    await until('the row is under way', () => lines().length > 0);
    for (const pid of childrenOf(process.pid)) process.kill(pid, 'SIGKILL');
    const [row] = await sweep;
    stop.abort();
    await serving;
    assert.equal(row.status, 'done', row.error);
    assert.equal(outcomes.length, 2);
    assert.match(outcomes[0], /SIGKILL/);
    assert.equal(lines().length, 2);
  });

  it('a Redis that comes back empty is filled again', async function () {
    this.timeout(180_000);
    const plan = planSweep({ experiment: 'toy', base: { milliseconds: 300, coupling: 13 }, grid: { x: [0, 1, 2, 3] } });
    const store = new RowStore(join(folder, 'flushed'));
    const stop = new AbortController();
    const serving = serveQueue({
      registry: EXPERIMENTS,
      url: redis.url,
      name: 'flushed',
      processes: 1,
      signal: stop.signal,
    });
    const sweep = runQueuedSweep(plan, store, { url: redis.url, name: 'flushed' }, { lookEvery: 50 });
    await until('a row is there', () => readdirSync(store.rows).length > 0);
    const client = new Redis(redis.url);
    await client.flushall();
    await client.quit();
    const rows = await sweep;
    stop.abort();
    await serving;
    assert.deepEqual(
      rows.map(({ status }) => status),
      ['done', 'done', 'done', 'done'],
    );
  });

  it('says that nobody is there to work, and stops when told to, also while Redis is away', async function () {
    this.timeout(180_000);
    const plan = planSweep({ experiment: 'toy', base: { coupling: 17 } });
    const store = new RowStore(join(folder, 'nobody-works'));
    const remarks: string[] = [];
    const stop = new AbortController();
    const settings = { lookEvery: 20, signal: stop.signal, onRemark: (text: string) => remarks.push(text) };
    const sweep = runQueuedSweep(plan, store, { url: redis.url, name: 'empty' }, settings);
    await until('a remark', () => remarks.length > 0);
    assert.match(remarks[0], /no worker serves the queue empty.*cer worker --queue redis:/);
    await redis.kill();
    await until('a remark on Redis', () => remarks.length > 1);
    assert.match(remarks[1], /waiting for Redis at redis:\/\/127/);
    stop.abort();
    const began = Date.now();
    assert.deepEqual(await sweep, []);
    assert.ok(Date.now() - began < 10_000);
    await redis.start();
  });

  it('a worker, too, ends when told to while Redis is away', async function () {
    this.timeout(180_000);
    const idle = worker('away');
    const queue = queueOf('away');
    await until('it is there', async () => (await queue.getWorkersCount()) === 1);
    await redis.kill();
    let ended = false;
    void gone(idle).then(() => {
      ended = true;
    });
    idle.kill('SIGINT');
    await until('it has ended', () => ended);
    assert.equal(idle.exitCode, 130);
    await redis.start();
  });

  it('a sweep that died finds what was made in the meantime', async function () {
    this.timeout(180_000);
    const plan = planSweep({ experiment: 'toy', grid: { x: [0, 1, 2] } });
    const store = new RowStore(join(folder, 'left'));
    const queue = queueOf('left');
    // What a sweep leaves that dies after queueing: the jobs, without anybody who gathers.
    await queue.addBulk(plan.tasks.map((task) => ({ name: 'row', data: task, opts: { jobId: task.key } })));
    const stop = new AbortController();
    const serving = serveQueue({
      registry: EXPERIMENTS,
      url: redis.url,
      name: 'left',
      processes: 1,
      signal: stop.signal,
    });
    await until('all are made', async () => (await queue.getJobCountByTypes('completed')) === 3);
    stop.abort();
    await serving;
    assert.equal((await runQueuedSweep(plan, store, { url: redis.url, name: 'left' })).length, 3); // no worker is left
  });

  it('a job that is not exactly a planned row is refused before anything runs', async function () {
    this.timeout(180_000);
    const { tasks } = planSweep({ experiment: 'toy', base: { coupling: 19 } });
    const jobs: object[] = [
      { ...tasks[0], seed: 'text of an attacker' },
      { ...tasks[0], configuration: { ...tasks[0].configuration, journal: join(folder, 'victim') } },
      { experiment: 'toy', configuration: {}, seed: 0 },
      { ...tasks[0], seed: 1 }, // under the key of another row
    ];
    const queue = queueOf('forged');
    await queue.addBulk(jobs.map((data, i) => ({ name: 'row', data, opts: { jobId: `forged-${i}` } })));
    const stop = new AbortController();
    const refused: string[] = [];
    const made: unknown[] = [];
    const options = { url: redis.url, name: 'forged', registry: EXPERIMENTS, processes: 1, signal: stop.signal };
    const onRefused = (reason: string) => refused.push(reason);
    const serving = serveQueue({ ...options, onRefused, onRow: (task) => made.push(task) });
    await until('all have failed', async () => (await queue.getJobCountByTypes('failed')) === jobs.length);
    stop.abort();
    await serving;
    assert.deepEqual([refused.length, made.length, lines().length], [jobs.length, 0, 0]);
  });

  it('what a worker claims to have measured is checked before it becomes a row', async function () {
    this.timeout(180_000);
    const plan = planSweep({ experiment: 'toy', base: { coupling: 23 } });
    const forger = new Worker('claims', async () => ({ values: { loss: { deep: 1 } }, seconds: -1 }), {
      connection: { url: redis.url },
    });
    forger.on('error', () => {}); // its connection is closed with Redis
    const store = new RowStore(join(folder, 'claims'));
    const [row] = await runQueuedSweep(plan, store, { url: redis.url, name: 'claims' }, { lookEvery: 50 });
    await forger.close();
    assert.equal(row.status, 'failed');
    assert.match(row.error!, /outcome of a row/);
  });

  it('a stopped worker gives its row back at once', async function () {
    this.timeout(180_000);
    const plan = planSweep({ experiment: 'toy', base: { milliseconds: 60_000, coupling: 3 } });
    const queue = queueOf('back');
    await queue.addBulk(plan.tasks.map((task) => ({ name: 'row', data: task, opts: { jobId: task.key } })));
    const stop = new AbortController();
    const serving = serveQueue({
      registry: EXPERIMENTS,
      url: redis.url,
      name: 'back',
      processes: 1,
      signal: stop.signal,
    });
    await until('the row is under way', () => lines().length > 0);
    stop.abort();
    await serving;
    assert.equal(await queue.getWaitingCount(), 1);
    assert.equal((await queue.getJob(plan.tasks[0].key))!.attemptsMade, 0);
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
