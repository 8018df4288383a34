import type { Command } from 'commander';

interface ExportArguments {
  weights: string;
  preset?: string;
  key?: string;
  part?: string;
  batch: string;
  out: string;
  json?: boolean;
}

/** Adds `cer export`. */
export function register(program: Command): void {
  program
    .command('export')
    .description('export part of a model as an .onnx file that any ONNX Runtime (1.17 or later) can open')
    .requiredOption('--weights <file>', '.safetensors or .pth')
    .option('--preset <name>', "mar-b, kl16, ...; default the file's own configuration, or the preset that fits")
    .option('--key <name>', 'which weights of a checkpoint, e.g. model')
    .option('--part <name>', 'denoiser (mar, ar), network (cdm), decoder or encoder (vae); default the first of these')
    .option('--batch <n>', 'images, or rows of the denoiser; fixed in the file', '1')
    .option('--out <file>', 'file to write', 'model.onnx')
    .option('--json', 'print only one object on standard output')
    .addHelpText(
      'after',
      `
The exported file is run in a new process on random arguments, and its results must agree with this program's.

Example:
  cer export --weights data/checkpoints/vae.safetensors --part decoder --batch 4 --out decoder.onnx`,
    )
    .action(run);
}

async function run(options: ExportArguments): Promise<void> {
  const { useBackend } = await import('../../runtime/backend');
  const { InvalidInputError, NumericalError } = await import('../../runtime/errors');
  const { exportModel } = await import('../../models/files/export-model');
  if (!/^[1-9]\d*$/.test(options.batch)) {
    throw new InvalidInputError('--batch', {
      given: JSON.stringify(options.batch),
      expected: 'a positive integer',
      remedy: 'Give a number such as 4.',
    });
  }
  await useBackend();
  const report = exportModel({ ...options, batch: Number(options.batch) });
  if (!(report.error <= report.tolerance)) {
    throw new NumericalError(`The exported file ${options.out}`, {
      given: `a difference of ${report.error}`,
      expected: `at most ${report.tolerance} of the largest value`,
      remedy: 'Do not use the file; `CER_COMPILE=off` runs the same model eagerly.',
    });
  }
  if (options.json) console.log(JSON.stringify(report, null, 2));
  else {
    const shapes = (all: { name: string; shape: readonly number[]; dtype: string }[]) =>
      all.map(({ name, shape, dtype }) => `${name} ${dtype} [${shape.join(', ')}]`).join(', ');
    console.log(`${report.out}: ${report.part} of ${report.origin}, ${report.nodes} nodes, ${report.bytes} bytes`);
    console.log(`  ${report.about}`);
    console.log(`  in:  ${shapes(report.inputs)}`);
    console.log(`  out: ${shapes(report.outputs)}`);
    console.log(`  a fresh process agrees to ${report.error.toExponential(1)} of the largest value`);
  }
}
