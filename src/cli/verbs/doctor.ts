import type { Command } from 'commander';
import { EXIT } from '../main';

export function register(program: Command): void {
  program
    .command('doctor')
    .description('report what this machine has for the project, what is missing, and the remedy')
    .option('--json', 'print only an array of rows {what, status, found, remedy} on standard output')
    .addHelpText('after', '\nExit code 3 if something required is missing.\n\nExample:\n  cer doctor')
    .action(async ({ json }: { json?: boolean }) => {
      const { examine } = await import('../../runtime/doctor');
      const rows = await examine();
      if (rows.some((row) => row.status === 'missing')) process.exitCode = EXIT.missing;
      if (json) return console.log(JSON.stringify(rows, null, 2));
      const width = Math.max(...rows.map((row) => row.what.length));
      for (const { what, status, found, remedy } of rows) {
        const mark = { good: 'ok     ', fallback: 'note   ', missing: 'MISSING' }[status];
        console.log(
          `${mark} ${what.padEnd(width)}  ${found}${remedy ? `\n${' '.repeat(width + 10)}-> ${remedy}` : ''}`,
        );
      }
    });
}
