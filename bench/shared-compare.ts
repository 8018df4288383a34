import { findPython, median, Peer } from './shared-python';

/** One case: ours against the best setting of PyTorch, medians of runs that alternate. */
export interface ComparisonRow {
  case: string;
  ms: number;
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
  prepare(): Promise<{ run(): Promise<unknown>; dispose(): void }>;
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

async function measure(item: Comparison, peer: Peer | undefined): Promise<ComparisonRow> {
  const begin = performance.now();
  const ours = await item.prepare();
  await ours.run();
  const firstMs = performance.now() - begin;
  for (let i = 0; i < 2; i++) await ours.run();
  const settings = peer
    ? await peer.ask<string[]>({ open: { compile: process.env.CER_BENCH_COMPILE !== 'off', ...item.spec } })
    : [];
  const own: number[] = [];
  const theirs = new Map<string, number[]>(settings.map((name) => [name, []]));
  for (let round = 0; round < (item.rounds ?? 5); round++) {
    for (let i = 0; i < item.count; i++) {
      const start = performance.now();
      await ours.run();
      own.push(performance.now() - start);
    }
    for (const [name, times] of theirs) {
      times.push(...((await peer?.ask<number[]>({ run: name, count: item.count })) ?? []));
    }
  }
  ours.dispose();
  const row: ComparisonRow = { case: item.case, ms: median(own), target: item.target, firstMs, samples: own.length };
  const [best] = [...theirs].map(([name, times]) => ({ name, ms: median(times) })).sort((a, b) => a.ms - b.ms);
  if (!best) return row;
  const ratioToTorch = row.ms / best.ms;
  return { ...row, torchMs: best.ms, torch: best.name, ratioToTorch, met: ratioToTorch <= item.target };
}

function describe({ case: name, ms, torchMs, torch, ratioToTorch, target, firstMs }: ComparisonRow): string {
  const against =
    ratioToTorch === undefined
      ? ''
      : `  torch ${torchMs?.toFixed(2)} ms (${torch})  ratio ${ratioToTorch.toFixed(2)} (target ${target})`;
  return `${name.padEnd(44)} ${ms.toFixed(2).padStart(9)} ms${against}  first ${firstMs.toFixed(0)} ms`;
}

export function printComparison(rows: readonly ComparisonRow[]): void {
  for (const row of rows) console.log(describe(row));
}
