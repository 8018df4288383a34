import type { Command } from 'commander';
import type { WeightFile } from '../../io/weight-file';

/** `cer inspect`: what a file of weights or arrays holds. */
export function register(program: Command): void {
  program
    .command('inspect')
    .description('list names, shapes and types of a weight file, count its parameters, tell which preset fits')
    .argument('<file>', '.safetensors, .pth, .npz or .npy')
    .option('--json', 'one object on standard output and nothing else')
    .addHelpText(
      'after',
      `
Nothing but the headers is read, and nothing in a .pth file is executed.

Example:
  cer inspect checkpoint-last.pth
  cer inspect --json weights.safetensors`,
    )
    .action(async (file: string, { json }: { json?: boolean }) => {
      const { openWeightFile } = await import('../../io/weight-file');
      const report = await summarise(file, openWeightFile(file));
      console.log(json ? JSON.stringify(report, null, 2) : describe(report));
    });
}

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
    groups: [...groups].map(([key, members]) => {
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
  const width = Math.max(4, ...tensors.map(({ name }) => name.length));
  const lines = tensors.map(
    ({ name, dtype, shape }) => `${name.padEnd(width)}  ${dtype.padEnd(4)}  [${shape.join(', ')}]`,
  );
  const isModel = format === 'safetensors' || format === 'torch';
  const fits = (isModel ? groups : []).map(({ key, parameters: count, preset, nearest }) => {
    const fit = preset ? `fits the preset ${preset}` : 'fits no preset';
    const near = !preset && nearest.differences < tensors.length ? ` (nearest: ${nearest.preset})` : '';
    return `${key === '' ? 'weights' : key}: ${count.toLocaleString('en')} parameters, ${fit}${near}`;
  });
  const extra = Object.keys(values).length > 0 ? [`values: ${JSON.stringify(values)}`] : [];
  const total = `${tensors.length} tensors, ${parameters.toLocaleString('en')} elements`;
  return [`${file}: ${format}, ${bytes.toLocaleString('en')} bytes, ${total}`, ...lines, ...fits, ...extra].join('\n');
}
