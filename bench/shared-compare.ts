import { findPython, median, Peer } from './shared-python';

/** One case: ours against the best setting of PyTorch, medians of runs that alternate. */
export interface ComparisonRow {
  case: string;
  /** Ours, with the better of one and two threads within an operator. */
  ms: number;
  threads: number;
  torchMs?: number;
  /** The fastest PyTorch setting. */
  torch?: string;
  /** ms / torchMs; the target is an upper bound of it. */
  ratioToTorch?: number;
  target: number;
  met?: boolean;
  /** First call: tracing, loading and one run. */
  firstMs: number;
  samples: number;
}

/** A case to measure. */
export interface Comparison {
  case: string;
  target: number;
  /** Prepares our side; the returned function is what is timed. */
  prepare(threads: number): Promise<{ run(): Promise<unknown>; dispose(): void }>;
  /** What the peer script is told. */
  spec: object;
  /** Runs in a round, and rounds. */
  count: number;
  rounds?: number;
}

/** Measures the cases against a peer script, alternating between ours and each PyTorch setting within each round. */
export async function compare(
  script: string,
  cases: readonly Comparison[],
  log: (line: string) => void,
): Promise<ComparisonRow[]> {
  const { python, missing } = findPython(['torch']);
  if (!python) log(`PyTorch left out: ${missing}`);
  const rows: ComparisonRow[] = [];
  for (const item of cases) {
    const peer = python ? new Peer(python, script, {}) : undefined;
    rows.push(await measure(item, peer));
    peer?.close();
    log(describe(rows[rows.length - 1]));
  }
  return rows;
}

const THREADS = [2, 1];

async function measure(item: Comparison, peer: Peer | undefined): Promise<ComparisonRow> {
  const begin = performance.now();
  const first = await item.prepare(THREADS[0]);
  await first.run();
  const firstMs = performance.now() - begin;
  const ours = [
    { threads: THREADS[0], ...first, times: [] as number[] },
    { threads: THREADS[1], ...(await item.prepare(THREADS[1])), times: [] as number[] },
  ];
  for (const { run } of ours) for (let i = 0; i < 2; i++) await run();
  const compiled = process.env.CER_BENCH_COMPILE !== 'off';
  const settings = peer ? await peer.ask<string[]>({ open: { compile: compiled, ...item.spec } }) : [];
  const theirs = settings.map((name) => ({ name, times: [] as number[] }));
  for (let round = 0; round < (item.rounds ?? 5); round++) {
    for (const { run, times } of ours) {
      for (let i = 0; i < item.count; i++) {
        const start = performance.now();
        await run();
        times.push(performance.now() - start);
      }
    }
    for (const { name, times } of theirs) {
      times.push(...((await peer?.ask<number[]>({ run: name, count: item.count })) ?? []));
    }
  }
  for (const { dispose } of ours) dispose();
  const own = fastest(ours);
  const row: ComparisonRow = {
    case: item.case,
    ms: median(own.times),
    threads: own.threads,
    target: item.target,
    firstMs,
    samples: own.times.length,
  };
  if (theirs.length === 0) return row;
  const best = fastest(theirs);
  const torchMs = median(best.times);
  const ratioToTorch = row.ms / torchMs;
  return { ...row, torchMs, torch: best.name, ratioToTorch, met: ratioToTorch <= item.target };
}

function fastest<T extends { times: number[] }>(settings: T[]): T {
  return settings.reduce((best, other) => (median(other.times) < median(best.times) ? other : best));
}

function describe({ case: name, ms, threads, torchMs, torch, ratioToTorch, target, firstMs }: ComparisonRow): string {
  const against =
    ratioToTorch === undefined
      ? ''
      : `  torch ${torchMs?.toFixed(2)} ms (${torch})  ratio ${ratioToTorch.toFixed(2)} (target ${target})`;
  return `${name.padEnd(44)} ${ms.toFixed(2).padStart(9)} ms (${threads} threads)${against}  first ${firstMs.toFixed(0)} ms`;
}

export function printComparison(rows: readonly ComparisonRow[]): void {
  for (const row of rows) console.log(describe(row));
}
