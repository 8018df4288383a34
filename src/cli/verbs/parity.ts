import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { EXIT } from '../main';

interface ParityOptions {
  reference: string;
  json?: boolean;
  all?: boolean;
  only?: string;
}

type Row = import('../../parity').ParityRow;

const SHIPPED = join(__dirname, '..', '..', '..', 'data', 'reference');

/** `cer parity`: recomputes recorded cases of the public reference and compares number by number. */
export function register(program: Command): void {
  program
    .command('parity')
    .description('compare models, diffusion, training, transport and metrics with numbers recorded from the reference')
    .addOption(new Option('--reference <dir>', 'folder of recorded cases').default(SHIPPED, 'data/reference'))
    .option('--only <text>', 'only cases whose name contains this')
    .option('--all', 'print every tensor, not only the worst of each case')
    .option('--json', 'print only an array of rows {case, tensor, error, tolerance, holds} on standard output')
    .addHelpText(
      'after',
      `
Families are recognised by the fields of a case's JSON; a case that no family recognises does not hold. Tolerances are
those of the reference's README. Exit code 1 when a row does not hold or no case was found.

Example:
  cer parity
  cer parity --only mar_small.train --all
  cer parity --reference ~/other-cases --json > parity.json`,
    )
    .action(async (options: ParityOptions) => {
      const { useBackend } = await import('../../runtime/backend');
      const { planParity, runPlanned } = await import('../../parity');
      const { planned, other } = planParity(options.reference);
      const chosen = planned.filter(({ given }) => given.name.includes(options.only ?? ''));
      for (const file of other) console.error(`not a case: ${file}`);
      const backend = await useBackend();
      const rows: Row[] = [];
      if (!options.json) console.log(line('case', 'tensor', 'error', 'tolerance', 'holds'));
      for (const item of chosen) {
        const made = await runPlanned(item);
        rows.push(...made);
        if (!options.json) for (const row of options.all ? made : worthShowing(made)) console.log(describe(row));
      }
      const failed = rows.filter((row) => !row.holds).length;
      if (options.json) console.log(JSON.stringify(rows.map(finite), null, 1));
      else {
        const verdict = failed === 0 ? 'all hold' : `${failed} do not hold`;
        console.log(`\n${rows.length} tensors in ${chosen.length} cases on ${backend.name}: ${verdict}`);
      }
      if (chosen.length === 0) console.error(`no case found in ${options.reference}`);
      if (failed > 0 || chosen.length === 0) process.exitCode = EXIT.failed;
    });
}

/** The row nearest to its tolerance, and every row that does not hold. */
function worthShowing(rows: Row[]): Row[] {
  const failing = rows.filter((row) => !row.holds);
  if (failing.length > 0) return failing;
  const share = ({ error, tolerance }: Row) => (error === 0 ? 0 : error / tolerance);
  return [rows.reduce((worst, row) => (share(row) > share(worst) ? row : worst))];
}

function describe({ case: name, tensor, error, tolerance, holds }: Row): string {
  return line(name, tensor, error.toExponential(1), tolerance.toExponential(0), holds ? 'yes' : 'NO');
}

function line(name: string, tensor: string, error: string, tolerance: string, holds: string): string {
  return `${name.padEnd(42)} ${tensor.padEnd(58)} ${error.padStart(9)} ${tolerance.padStart(10)}  ${holds}`;
}

/** JSON has no infinity: the largest number stands for it. */
function finite(row: Row): Row {
  return { ...row, error: Number.isFinite(row.error) ? row.error : Number.MAX_VALUE };
}
