import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { key, normal } from '../src/runtime/random';
import { type SinkhornOptions, sinkhorn } from '../src/transport';
import { type Kernels, kernelModules } from '../src/transport/engine/kernel-modules';
import { costStatistic } from '../src/transport/epsilon';
import { prepareProblem } from '../src/transport/problem';
import type { BenchmarkOptions } from './main';
import { findPython, median, Peer } from './shared-python';

/** One engine at one size. Ratios (ours / theirs, medians over rounds that alternate the engines) are in our rows only. */
export interface SinkhornRow {
  n: number;
  d: number;
  engine: string;
  iterations: number;
  /** Without the cost matrix. */
  msPerIteration: number;
  ratioToTorch?: number;
  ratioToPot?: number;
  /** Largest plan error after these iterations, against float64, relative to the largest entry. */
  planError?: number;
  /** Cost matrix, or ours: building the kernel matrix. */
  setupMs?: number;
  /** Cost matrix and iterations until the relative L1 error of a marginal is 1e-6. */
  msToTolerance?: number;
  iterationsToTolerance?: number;
  /** Rise of the peak resident memory in a fresh process (median of three), in units of the float32 kernel matrix. */
  memoryRatio?: number;
  /** Bytes of the matrix swept per second, in units of what one thread reads from 256 MB of memory in the same rounds. */
  bandwidthFraction?: number;
  yardstickGBs?: number;
  gflops?: number;
  flopsFraction?: number;
  threads?: number;
}

interface Answer {
  seconds: number;
  setup: number;
  iterations: number;
}

/** `rounds` alternate the engines; in each, ours solves `inner` times. */
const SIZES = [
  { n: 64, iterations: 200, rounds: 7, inner: 20 },
  { n: 256, iterations: 100, rounds: 7, inner: 10 },
  { n: 1024, iterations: 20, rounds: 5, inner: 3 },
  { n: 4096, iterations: 4, rounds: 3, inner: 3 },
];
/** POT's log form needs about a second for an iteration at n = 4096: one round of so many is enough. */
const SLOW_ITERATIONS = 2;
const DIMENSIONS = [16, 256];
const TOLERANCE = 1e-6;

export async function run({ log }: BenchmarkOptions): Promise<SinkhornRow[]> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-sinkhorn-'));
  const { python, missing } = findPython(['numpy', 'torch', 'ot']);
  if (!python) log(`peers left out: ${missing}`);
  const peer = python
    ? new Peer(python, join(__dirname, 'peers', 'sinkhorn.py'), { OMP_NUM_THREADS: '2', OPENBLAS_NUM_THREADS: '2' })
    : undefined;
  const yardstick = new Yardstick();
  try {
    const rows: SinkhornRow[] = [];
    const began = performance.now();
    for (const size of SIZES) {
      for (const d of DIMENSIONS) {
        log(`n = ${size.n}, d = ${d} (${((performance.now() - began) / 1000).toFixed(0)} s so far)`);
        rows.push(...(await compare(size, d, peer, folder, yardstick, log)));
      }
    }
    log(`256 problems of 64 points (${((performance.now() - began) / 1000).toFixed(0)} s so far)`);
    rows.push(...(await batches(peer, folder, log)));
    return rows;
  } finally {
    peer?.close();
    rmSync(folder, { recursive: true });
  }
}

async function compare(
  { n, iterations, rounds, inner }: (typeof SIZES)[number],
  d: number,
  peer: Peer | undefined,
  folder: string,
  yardstick: Yardstick,
  log: (line: string) => void,
): Promise<SinkhornRow[]> {
  const x = Float32Array.from(normal(key(1), n * d));
  const y = Float32Array.from(normal(key(2), n * d), (value) => value + 0.3);
  const problem = { x, y, dimension: d };
  const epsilon = 0.05 * costStatistic(prepareProblem(problem), 'mean');
  writeFileSync(join(folder, 'x'), x);
  writeFileSync(join(folder, 'y'), y);
  const times = new Map<string, number[]>();
  const note = (engine: string, ms: number) => times.set(engine, [...(times.get(engine) ?? []), ms]);
  const bandwidths: number[] = [];
  const question = { x: join(folder, 'x'), y: join(folder, 'y'), d, eps: epsilon, iterations };
  const setup = new Map<string, number>();
  const errors = new Map<string, number>();
  const ourEngines: [string, SinkhornOptions][] = [
    ['ours', { method: 'auto' }],
    ['ours, log domain', { method: 'log' }],
    ...(n >= 2048 ? [['ours, one thread', { method: 'auto', threads: 1 }] as [string, SinkhornOptions]] : []),
  ];
  const ours = (options: SinkhornOptions, count: number) => {
    const began = performance.now();
    const result = sinkhorn(problem, { epsilon, engine: 'float32', tolerance: 0, maxIterations: count, ...options });
    return { ms: performance.now() - began, result };
  };
  for (let round = 0; round < rounds; round++) {
    for (const [engine, options] of ourEngines) {
      if (round === 0) ours(options, 2);
      bandwidths.push(yardstick.bytesPerSecond());
      // Float32 may reach a fixed point (error exactly 0) earlier: divide by the iterations that were made.
      const solves = Array.from({ length: inner }, () => ours(options, iterations).result);
      note(engine, median(solves.map((solved) => solved.timings.iterations / solved.iterations)));
      setup.set(engine, median(solves.map((solved) => solved.timings.setup)));
    }
    if (!peer) continue;
    for (const threads of n < 256 ? [1] : [1, 2]) {
      const { seconds, setup: cost } = await peer.ask<Answer>({ ...question, engine: 'torch', threads });
      note(`torch, ${threads} threads`, (1000 * seconds) / iterations);
      setup.set(`torch, ${threads} threads`, 1000 * cost);
    }
    for (const engine of ['sinkhorn_log', 'sinkhorn']) {
      const slow = n >= 4096 && engine === 'sinkhorn_log';
      if (slow && round > 0) continue;
      const count = slow ? SLOW_ITERATIONS : iterations;
      const { seconds, setup: cost } = await peer.ask<Answer>({ ...question, engine, iterations: count });
      note(`POT ${engine}`, (1000 * seconds) / count);
      setup.set(`POT ${engine}`, 1000 * cost);
    }
  }
  const torch = bestOf(times, ['torch, 1 threads', 'torch, 2 threads']);
  // POT updates columns first: its truth is the transposed problem's.
  const truth = (transposed: boolean) =>
    sinkhorn(transposed ? { x: y, y: x, dimension: d } : problem, {
      ...{ epsilon, engine: 'float64', tolerance: 0, maxIterations: iterations },
    }).plan;
  const exact = truth(false);
  for (const [engine, options] of ourEngines)
    errors.set(engine, planError(ours(options, iterations).result.plan, exact, n));
  if (peer) {
    const plan = join(folder, 'plan');
    await peer.ask({ ...question, engine: 'torch', threads: 2, plan });
    if (torch) errors.set(torch, planError(readPlan(plan), exact, n));
    const engines = n >= 4096 ? [] : ['sinkhorn_log', 'sinkhorn']; // float64 like the truth: checked on smaller problems
    const transposed = engines.length > 0 ? truth(true) : exact;
    for (const engine of engines) {
      await peer.ask({ ...question, engine, plan });
      errors.set(`POT ${engine}`, planError(readPlan(plan), transposed, n, true));
    }
  }
  const rows: SinkhornRow[] = [];
  for (const [engine, all] of times) {
    if (engine.startsWith('torch') && engine !== torch) continue;
    rows.push({
      ...{ n, d, engine, iterations, msPerIteration: median(all), planError: errors.get(engine) },
      setupMs: setup.get(engine),
    });
  }
  for (const row of rows.filter(({ engine }) => engine.startsWith('ours'))) {
    row.ratioToTorch = ratio(times, row.engine, torch);
    row.ratioToPot = ratio(times, row.engine, 'POT sinkhorn_log');
    row.gflops = (4 * n * n) / row.msPerIteration / 1e6;
    row.flopsFraction = (1e9 * row.gflops) / yardstick.flops;
    row.yardstickGBs = median(bandwidths) / 1e9;
    row.bandwidthFraction = (4 * n * n) / (row.msPerIteration / 1000) / median(bandwidths);
    row.threads = n >= 2048 && row.engine !== 'ours, one thread' ? 2 : 1;
  }
  const own = rows[0];
  if (n >= 256) own.memoryRatio = memoryRatio(n, d); // below, a process grows by more than a problem
  const solves = Array.from({ length: 3 }, () => ours({ tolerance: TOLERANCE }, 2000));
  own.msToTolerance = median(solves.map(({ ms }) => ms));
  own.iterationsToTolerance = solves[0].result.iterations;
  const rival = rows.find(({ engine }) => engine === torch);
  if (peer && rival) {
    const threads = Number(torch?.match(/\d/)?.[0]);
    const {
      seconds,
      setup: cost,
      iterations: done,
    } = await peer.ask<Answer>({
      ...{ ...question, engine: 'torch', threads, tolerance: TOLERANCE, iterations: 2000 },
    });
    rival.msToTolerance = 1000 * (seconds + cost);
    rival.iterationsToTolerance = done;
  }
  for (const row of rows) log(line(row));
  return rows;
}

/** 256 problems of 64 points one after another, against a loop over POT. */
async function batches(peer: Peer | undefined, folder: string, log: (line: string) => void): Promise<SinkhornRow[]> {
  const [batch, n, d, iterations] = [256, 64, 16, 100];
  const x = Float32Array.from(normal(key(3), batch * n * d));
  const y = Float32Array.from(normal(key(4), batch * n * d), (value) => value + 0.3);
  writeFileSync(join(folder, 'x'), x);
  writeFileSync(join(folder, 'y'), y);
  const epsilon = 0.05 * costStatistic(prepareProblem({ x, y, dimension: d }), 'mean');
  const question = { x: join(folder, 'x'), y: join(folder, 'y'), d, eps: epsilon, iterations, batch };
  const times = new Map<string, number[]>();
  const note = (engine: string, ms: number, count = iterations * batch) =>
    times.set(engine, [...(times.get(engine) ?? []), ms / count]);
  const options = { epsilon, engine: 'float32', tolerance: 0, maxIterations: iterations } as const;
  const solveAll = () => {
    let made = 0;
    for (let at = 0; at < x.length; at += n * d) {
      const problem = { x: x.subarray(at, at + n * d), y: y.subarray(at, at + n * d), dimension: d };
      made += sinkhorn(problem, options).iterations;
    }
    return made;
  };
  solveAll();
  for (let round = 0; round < 3; round++) {
    const began = performance.now();
    const made = solveAll();
    note(`ours, loop over ${batch}`, performance.now() - began, made);
    for (const engine of peer ? ['sinkhorn_log', 'sinkhorn'] : []) {
      const { seconds } = await peer!.ask<Answer>({ ...question, engine });
      note(`POT ${engine}, loop over ${batch}`, 1000 * seconds);
    }
  }
  const rows: SinkhornRow[] = [...times].map(([engine, all]) => ({
    ...{ n, d, engine, iterations, msPerIteration: median(all) },
  }));
  rows[0].ratioToPot = ratio(times, rows[0].engine, `POT sinkhorn_log, loop over ${batch}`);
  for (const row of rows) log(line(row));
  return rows;
}

/** What one thread of WebAssembly reads from memory and computes, measured beside the solver. */
class Yardstick {
  private static readonly FLOATS = 2 ** 26; // 256 MB: beyond every cache
  private static readonly BASE = 2 ** 20;
  private readonly kernels?: Kernels;
  /** Multiplications and additions per second in registers and first-level cache. */
  readonly flops: number = Number.NaN;

  constructor() {
    const modules = kernelModules();
    if (!modules) return;
    const { FLOATS, BASE } = Yardstick;
    const memory = new WebAssembly.Memory({ initial: (4 * FLOATS) / 65536 + 16 });
    this.kernels = new WebAssembly.Instance(modules.single, { env: { memory } }).exports as unknown as Kernels;
    new Float32Array(memory.buffer, BASE, FLOATS).fill(1); // touched, so that every page is there
    const [side, width, times] = [64, 16, 2000];
    const seconds = Array.from({ length: 6 }, () => {
      const began = performance.now();
      for (let k = 0; k < times; k++) this.kernels?.applyRows(BASE, side, 0, side, 2 * BASE, width, 3 * BASE);
      return (performance.now() - began) / 1000;
    });
    this.flops = (2 * side * side * width * times) / Math.min(...seconds);
    for (let k = 0; k < 3; k++) this.bytesPerSecond();
  }

  /** One reading of 256 MB. */
  bytesPerSecond(): number {
    if (!this.kernels) return Number.NaN;
    const began = performance.now();
    this.kernels.streamSum(Yardstick.BASE, Yardstick.FLOATS);
    return (4 * Yardstick.FLOATS) / ((performance.now() - began) / 1000);
  }
}

/** Median of three fresh processes. */
function memoryRatio(n: number, d: number): number {
  const script = join(__dirname, 'shared-memory.ts');
  const arguments_ = ['--expose-gc', '--import', 'tsx', script, String(n), String(d)];
  const rises = Array.from({ length: 3 }, () => Number(execFileSync(process.execPath, arguments_).toString()));
  return median(rises) / (4 * n * n);
}

function readPlan(file: string): Float64Array {
  const bytes = readFileSync(file);
  return new Float64Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 8);
}

function planError(plan: Float64Array, exact: Float64Array, n: number, transposed = false): number {
  let error = 0;
  let top = 0;
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      const truth = exact[transposed ? j * n + i : i * n + j];
      top = Math.max(top, truth);
      error = Math.max(error, Math.abs(plan[i * n + j] - truth));
    }
  }
  return error / top;
}

function bestOf(times: Map<string, number[]>, names: string[]): string | undefined {
  const known = names.filter((name) => times.has(name));
  return known.sort((p, q) => median(times.get(p)!) - median(times.get(q)!))[0];
}

/** Median over rounds of ours / theirs. */
function ratio(times: Map<string, number[]>, ours: string, theirs: string | undefined): number | undefined {
  const rival = theirs && times.get(theirs);
  if (!rival) return undefined;
  return median(times.get(ours)!.map((ms, round) => ms / rival[Math.min(round, rival.length - 1)]));
}

const COLUMNS: [keyof SinkhornRow, string, number][] = [
  ['msPerIteration', 'ms/it', 4],
  ['ratioToTorch', '/torch', 4],
  ['ratioToPot', '/POT log', 5],
  ['planError', 'plan error', -1],
  ['setupMs', 'setup ms', 1],
  ['msToTolerance', 'ms to 1e-6', 1],
  ['memoryRatio', 'memory', 2],
  ['bandwidthFraction', 'bandwidth', 2],
  ['flopsFraction', 'flops', 2],
];

function line(row: SinkhornRow): string {
  const cells = COLUMNS.map(([field, name, digits]) => {
    const value = row[field] as number | undefined;
    const text = value === undefined ? '-' : digits < 0 ? value.toExponential(1) : value.toFixed(digits);
    return `${name} ${text}`.padEnd(18);
  });
  return `${`n=${row.n} d=${row.d}`.padEnd(14)}${row.engine.padEnd(34)}${cells.join('')}`.trimEnd();
}

export function print(rows: SinkhornRow[]): void {
  for (const row of rows) console.log(line(row));
}
