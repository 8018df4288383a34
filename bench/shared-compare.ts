import { execFileSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { defaultThreads } from '../src/runtime/threads';
import type { BenchmarkOptions } from './main';
import { findPython, median, Peer } from './shared-python';

/** One case: ours against the best setting of PyTorch, medians of runs that alternate. */
export interface ComparisonRow {
  case: string;
  /** Ours, with the best of the thread settings. */
  ms: number;
  threads: number;
  torchMs?: number;
  /** The fastest PyTorch setting. */
  torch?: string;
  /** ms / torchMs; the target is an upper bound of it. */
  ratioToTorch?: number;
  /** Smallest and largest ratio of a round. */
  ratioRange?: [number, number];
  target: number;
  met?: boolean;
  /** First call: tracing, loading and one run. */
  firstMs: number;
  /** By how much making everything and running it raises the peak of resident memory of a fresh process, in MB. */
  memoryMb?: number;
  /** The same of the fastest PyTorch setting without a compiler, on a processor. */
  torchMemoryMb?: number;
  /** Whether it is at most PyTorch's. */
  memoryMet?: boolean;
  samples: number;
  /** The median of each setting that was tried, in ms; of hopeless ones after one round. */
  tried: Record<string, number>;
}

/** A case to measure. */
export interface Comparison {
  case: string;
  target: number;
  /** Prepares our side; the returned function is what is timed. */
  prepare(threads: number): Promise<{ run(): Promise<unknown>; dispose(): void }>;
  /** What the peer script is told. */
  spec: object;
  /** Runs in a round. */
  count: number;
  /** Thread settings to try on both sides; default `threadSettings()`. */
  threads?: number[];
}

/** Thread settings that are tried: the machine's cores, halved until one is left, and two. */
export function threadSettings(): number[] {
  const settings = new Set<number>([2]);
  for (let threads = availableParallelism(); threads >= 1; threads = threads >> 1) settings.add(threads);
  return [...settings].sort((a, b) => b - a);
}

/** Rounds of a case, fewer where they take long, but never fewer than three. */
const ROUNDS = 5;
const CASE_SECONDS = 12;
/** A setting that is this much slower than the best of its side in the first round is not measured further. */
const HOPELESS = 1.5;

/** Runs in a fresh process whose memory is measured. */
const MEMORY_RUNS = 5;

/**
 * Measures the cases of a benchmark against its peer script, alternating between ours and each PyTorch setting within each round.
 * @param benchmark name of `bench/NAME.ts` and `bench/peers/NAME.py`.
 */
export async function compare(
  benchmark: string,
  cases: readonly Comparison[],
  { only, quick, device, log, onRows }: BenchmarkOptions,
): Promise<ComparisonRow[]> {
  const script = join(__dirname, 'peers', `${benchmark}.py`);
  const { python, missing } = findPython(['torch']);
  if (!python) log(`PyTorch left out: ${missing}`);
  const rows: ComparisonRow[] = [];
  for (const item of cases.filter(({ case: name }) => only.length === 0 || only.some((part) => name.includes(part)))) {
    const peer = python ? new Peer(python, script, {}) : undefined;
    const { row, torch } = await measure(item, peer, device, quick ? 0 : CASE_SECONDS);
    peer?.close();
    const fresh = python && torch && device === 'cpu' && !quick ? new Peer(python, script, {}) : undefined;
    rows.push({ ...row, ...(quick ? {} : await memory(benchmark, item, row.threads, fresh, torch)) });
    fresh?.close();
    log(describe(rows[rows.length - 1]));
    onRows?.(rows);
  }
  return rows;
}

type Times = Omit<ComparisonRow, 'memoryMb'>;

/** The row without memory, and the fastest PyTorch setting without a compiler. */
async function measure(
  item: Comparison,
  peer: Peer | undefined,
  device: 'cpu' | 'cuda',
  seconds: number,
): Promise<{ row: Times; torch?: string }> {
  const begin = performance.now();
  // A GPU does not care for threads, and ours is measured with all of them beside the processor's.
  const settings = device === 'cuda' ? [defaultThreads()] : (item.threads ?? threadSettings());
  const [most, ...others] = settings;
  const first = await item.prepare(most);
  await first.run();
  const firstMs = performance.now() - begin;
  let ours = [{ threads: most, ...first, times: [] as number[] }];
  for (const threads of others) ours.push({ threads, ...(await item.prepare(threads)), times: [] });
  const prepared = ours;
  for (const { run } of ours) await run();
  const compiled = process.env.CER_BENCH_COMPILE !== 'off';
  const spec = { device, compile: compiled, threads: device === 'cpu' ? settings : [2], ...item.spec };
  const variants = peer ? await peer.ask<string[]>({ open: spec }) : [];
  const everyone = variants.map((name) => ({ name, times: [] as number[] }));
  let theirs = everyone;
  const rounds: { ours: Map<number, number>; theirs: Map<string, number> }[] = [];
  const start = performance.now();
  for (let round = 0; round < ROUNDS && (round < 3 || performance.now() - start < 1000 * seconds); round++) {
    const medians = { ours: new Map<number, number>(), theirs: new Map<string, number>() };
    for (const { threads, run, times } of ours) {
      const own: number[] = [];
      for (let i = 0; i < item.count; i++) {
        const now = performance.now();
        await run();
        own.push(performance.now() - now);
      }
      times.push(...own);
      medians.ours.set(threads, median(own));
    }
    for (const { name, times } of theirs) {
      const own = (await peer?.ask<number[]>({ run: name, count: item.count })) ?? [];
      times.push(...own);
      medians.theirs.set(name, median(own));
    }
    rounds.push(medians);
    if (round === 0) [ours, theirs] = [hopeful(ours), hopeful(theirs)];
  }
  for (const { dispose } of prepared) dispose();
  const own = fastest(ours);
  const row: Times = {
    case: item.case,
    ms: median(own.times),
    threads: own.threads,
    target: item.target,
    firstMs,
    samples: own.times.length,
    tried: Object.fromEntries([
      ...prepared.map(({ threads, times }) => [`ours, ${threads} thread${threads > 1 ? 's' : ''}`, median(times)]),
      ...everyone.map(({ name, times }) => [`torch, ${name}`, median(times)]),
    ]),
  };
  if (theirs.length === 0) return { row };
  const best = fastest(theirs);
  const torchMs = median(best.times);
  const ratioToTorch = row.ms / torchMs;
  const ratios = rounds.map((round) => round.ours.get(own.threads)! / round.theirs.get(best.name)!);
  const ratioRange: [number, number] = [Math.min(...ratios), Math.max(...ratios)];
  const plain = everyone.filter(({ name }) => !name.includes('torch.compile'));
  return {
    row: { ...row, torchMs, torch: best.name, ratioToTorch, ratioRange, met: ratioToTorch <= item.target },
    torch: fastest(plain).name,
  };
}

/** Peak memory of both sides, each in a fresh process. */
async function memory(
  benchmark: string,
  { case: name, spec }: Comparison,
  threads: number,
  peer: Peer | undefined,
  torch: string | undefined,
): Promise<Partial<Pick<ComparisonRow, 'memoryMb' | 'torchMemoryMb' | 'memoryMet'>>> {
  const script = join(__dirname, 'shared-case-memory.ts');
  const given = ['--expose-gc', '--import', 'tsx', script, benchmark, name, String(threads), String(MEMORY_RUNS)];
  const memoryMb = Number(execFileSync(process.execPath, given).toString()) / 1e6;
  const question = {
    memory: { compile: false, threads: threadSettings(), ...spec },
    variant: torch,
    count: MEMORY_RUNS,
  };
  const bytes = await peer?.ask<number | null>(question);
  if (bytes === undefined || bytes === null) return { memoryMb };
  return { memoryMb, torchMemoryMb: bytes / 1e6, memoryMet: memoryMb <= bytes / 1e6 };
}

function fastest<T extends { times: number[] }>(settings: T[]): T {
  return settings.reduce((best, other) => (median(other.times) < median(best.times) ? other : best));
}

function hopeful<T extends { times: number[] }>(settings: T[]): T[] {
  const best = Math.min(...settings.map(({ times }) => median(times)));
  return settings.filter(({ times }) => median(times) <= HOPELESS * best);
}

function describe(row: ComparisonRow): string {
  const { case: name, ms, threads, torchMs, torch, ratioToTorch, ratioRange, target, firstMs } = row;
  const { memoryMb, torchMemoryMb } = row;
  const range = ratioRange?.map((ratio) => ratio.toFixed(2)).join(' to ');
  const against =
    ratioToTorch === undefined
      ? ''
      : `  torch ${torchMs?.toFixed(2)} ms (${torch})  ratio ${ratioToTorch.toFixed(2)}, ${range} (target ${target})`;
  const memory =
    memoryMb === undefined
      ? ''
      : `  memory ${memoryMb.toFixed(0)} MB${torchMemoryMb ? ` (torch ${torchMemoryMb.toFixed(0)})` : ''}`;
  const time = `${name.padEnd(44)} ${ms.toFixed(2).padStart(9)} ms (${threads} threads)`;
  return `${time}${against}  first ${firstMs.toFixed(0)} ms${memory}`;
}

export function printComparison(rows: readonly ComparisonRow[]): void {
  for (const row of rows) console.log(describe(row));
}
