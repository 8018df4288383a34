import type { Command } from 'commander';
import type { WeightFile } from '../../io/weight-file';
import { printable, printableLines } from '../../runtime/printable';

/** `cer inspect`: lists the contents of a file of weights or arrays. */
export function register(program: Command): void {
  program
    .command('inspect')
    .description('list names, shapes and types of a weight file, count its parameters, name the preset that fits')
    .argument('<file>', '.safetensors, .pth, .npz or .npy')
    .option('--json', 'print only one object on standard output')
    .addHelpText(
      'after',
      `
Only the headers are read, and nothing in a .pth file is executed.

Example:
  cer inspect checkpoint-last.pth
  cer inspect --json weights.safetensors`,
    )
    .action(async (file: string, { json }: { json?: boolean }) => {
      const { openWeightFile } = await import('../../io/weight-file');
      const report = await summarise(file, openWeightFile(file));
      console.log(json ? printableLines(JSON.stringify(report, null, 2)) : describe(report));
    });
}

/** How many state dicts are compared with the presets: a checkpoint has a few, a hostile file any number. */
const MOST_GROUPS = 16;

/** Characters of a name, or of all plain values, that are printed. */
const WIDEST_NAME = 100;
const LONGEST_VALUES = 5000;

interface Group {
  /** Key of the state dict in a checkpoint; empty for the file as a whole. */
  key: string;
  parameters: number;
  /** The preset whose names and shapes these are exactly, else null. */
  preset: string | null;
  /** The nearest preset and in how many names it differs. */
  nearest: { preset: string; differences: number };
}

interface Report {
  file: string;
  format: string;
  bytes: number;
  parameters: number;
  groups: Group[];
  tensors: { name: string; dtype: string; shape: number[]; elements: number }[];
  values: Record<string, unknown>;
}

async function summarise(file: string, { format, bytes, tensors, groups, values }: WeightFile): Promise<Report> {
  const { elementCount } = await import('../../io/tensor-record');
  const { differenceCount, nearestPreset } = await import('../../models/files/presets-fit');
  const { countParameters } = await import('../../models/presets');
  const rows = [...tensors].map(([name, { dtype, shape }]) => ({
    name,
    dtype,
    shape: [...shape],
    elements: elementCount(shape),
  }));
  return {
    file,
    format,
    bytes,
    parameters: rows.reduce((sum, { elements }) => sum + elements, 0),
    groups: [...groups].slice(0, MOST_GROUPS).map(([key, members]) => {
      const shapes = new Map([...members].map(([name, { shape }]) => [name, shape]));
      const { name, differences } = nearestPreset(shapes);
      const count = differenceCount(differences);
      return {
        key,
        parameters: countParameters(shapes),
        preset: count === 0 ? name : null,
        nearest: { preset: name, differences: count },
      };
    }),
    tensors: rows,
    values,
  };
}

function describe({ file, format, bytes, parameters, groups, tensors, values }: Report): string {
  const cut = (text: string, most: number) => (text.length > most ? `${text.slice(0, most)}...` : text);
  const names = tensors.map(({ name }) => cut(printable(name), WIDEST_NAME));
  const width = names.reduce((widest, name) => Math.max(widest, name.length), 4);
  const lines = tensors.map(
    ({ dtype, shape }, i) => `${names[i].padEnd(width)}  ${dtype.padEnd(4)}  [${shape.join(', ')}]`,
  );
  const isModel = format === 'safetensors' || format === 'torch';
  const fits = (isModel ? groups : []).map(({ key, parameters: count, preset, nearest }) => {
    const fit = preset ? `fits the preset ${preset}` : 'fits no preset';
    const near = !preset && nearest.differences < tensors.length ? ` (nearest: ${nearest.preset})` : '';
    return `${key === '' ? 'weights' : cut(printable(key), WIDEST_NAME)}: ${count.toLocaleString('en')} parameters, ${fit}${near}`;
  });
  const extra =
    Object.keys(values).length > 0 ? [`values: ${cut(printable(JSON.stringify(values)), LONGEST_VALUES)}`] : [];
  const total = `${tensors.length} tensors, ${parameters.toLocaleString('en')} elements`;
  return [
    `${printable(file)}: ${format}, ${bytes.toLocaleString('en')} bytes, ${total}`,
    ...lines,
    ...fits,
    ...extra,
  ].join('\n');
}
