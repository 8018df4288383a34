import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { markdownTable } from '../src/notebook/markdown-table';
import type { ComparisonRow } from './shared-compare';

/** What `npm run bench -- NAME --save FILE` writes, for benchmarks that compare with PyTorch. */
interface Saved {
  benchmark: 'training' | 'sampling';
  device: 'cpu' | 'cuda';
  machine: { processor: string; cores: number; torch?: string; gpu?: string };
  /** How it was measured, where not as usual. */
  note?: string;
  rows: ComparisonRow[];
}

const FOLDER = join(__dirname, '..', 'data', 'bench');

/** What the test of the pages runs instead. */
const SHORT = `<!-- run
npm run bench -- sampling --only decoding
because: all cases take minutes
-->`;

/** `docs/speed.md`: saved benchmarks against PyTorch. */
export function speedPage(folder = FOLDER): string {
  const all = readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Saved);
  const order = ({ device, machine: { cores }, benchmark }: Saved) =>
    `${device} ${String(cores).padStart(3, '0')} ${benchmark === 'training' ? 0 : 1}`;
  all.sort((a, b) => order(a).localeCompare(order(b)));
  const parts = [
    '# Speed',
    `Compiled steps and samplers against PyTorch, written by \`npm run docs\` from the files of \`data/bench\`; no number here is typed in. Measure your own machine,
with a Python that has torch on the path or in \`CER_PYTHON\`:`,
    `${SHORT}\n\`\`\`sh\nnpm run bench -- training\nnpm run bench -- sampling\n\`\`\``,
    `PyTorch is the fastest of its settings: eager with the fused optimizer, TorchScript, \`torch.compile\`, channels last, each with every number of threads; ours the
best number of threads. Unless a table says otherwise, both sides alternate in one run; a time is the median over its rounds, and beside the ratio (below 1 ours is faster) stand the smallest and the
largest of a round. Memory is by how much a fresh process grows at its peak. The targets are our own; what misses its target comes first.`,
    `What is in the way where PyTorch is ahead: matrix products, which are most of a training step and which ONNX Runtime computes more slowly than
PyTorch's library on processors with AVX-512, and elementwise operations, which it does not join as \`torch.compile\` does. Sampling few rows is bound by reading the weights.`,
  ];
  for (const { benchmark, device, machine, note, rows } of all) {
    const against = device === 'cuda' ? `PyTorch on a GPU (${machine.gpu})` : 'PyTorch on the same processor';
    parts.push(
      `## ${benchmark === 'training' ? 'A training step' : 'Sampling'}: ${machine.cores} cores, ${against}`,
      `${machine.processor}, PyTorch ${machine.torch ?? 'of unknown version'}${without(benchmark, device, rows)}. ${count(rows)}${note ? ` ${note}` : ''}`,
      markdownTable(
        [...rows].sort((a, b) => Number(met(a, device)) - Number(met(b, device))).map((row) => cells(row, device)),
      ),
    );
  }
  return `${parts.join('\n\n')}\n`;
}

/** Names the setting that may be left out. */
function without(benchmark: Saved['benchmark'], device: Saved['device'], rows: readonly ComparisonRow[]): string {
  if (benchmark === 'sampling' || device === 'cuda') return '';
  const left = rows.filter(
    ({ case: name, tried }) => !name.startsWith('(f)') && !/torch\.compile/.test(Object.keys(tried).join()),
  );
  return left.length > 0 ? ` (without \`torch.compile\`: ${left.map(({ case: name }) => name).join('; ')})` : '';
}

const met = ({ ratioToTorch = Infinity, target }: ComparisonRow, device: Saved['device']) =>
  ratioToTorch <= (device === 'cuda' ? 1 : target);

function count(rows: readonly ComparisonRow[]): string {
  const faster = rows.filter(({ ratioToTorch = Infinity }) => ratioToTorch < 1).length;
  return `Ours is faster in ${faster} of ${rows.length} cases.`;
}

function cells(row: ComparisonRow, device: Saved['device']): Record<string, string> {
  const { ratioRange, memoryMb, torchMemoryMb } = row;
  const range = ratioRange ? ` (${ratioRange.map((ratio) => ratio.toFixed(2)).join(' to ')})` : '';
  const threads = (count: number) => `${count} thread${count === 1 ? '' : 's'}`;
  return {
    case: row.case,
    'ours, ms': `${significant(row.ms)} (${threads(row.threads)})`,
    'PyTorch, ms': `${significant(row.torchMs!)} (${row.torch})`,
    ratio: `${row.ratioToTorch!.toFixed(2)}${range}`,
    ...(device === 'cpu' ? { target: `${row.target}` } : {}),
    ...(memoryMb === undefined
      ? {}
      : { 'MB, ours / PyTorch': `${memoryMb.toFixed(0)} / ${torchMemoryMb?.toFixed(0)}` }),
  };
}

const significant = (x: number) => (x >= 100 ? x.toFixed(0) : x.toPrecision(3));
