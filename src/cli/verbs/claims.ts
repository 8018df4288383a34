import type { Command } from 'commander';
import { namesIn, seedNumber } from '../arguments';
import { EXIT } from '../main';

interface ClaimsOptions {
  json?: boolean;
  only?: string;
  seed: number;
}

/** `cer claims`: runs the checks of the registry and prints one row for each. */
export function register(program: Command): void {
  program
    .command('claims')
    .description("check the paper's statements and assumptions, each as a number next to its expected value")
    .option('--json', 'print only an array of rows on standard output')
    .option('--only <ids>', 'comma-separated ids, e.g. theorem-2,lemma-6')
    .option('--seed <number>', 'seed of the random problems and draws', seedNumber, 0)
    .addHelpText(
      'after',
      `
A verdict is "holds" or "fails" only when the whole interval (four standard errors) is on one side.
A violated assumption is a result: the row says where and by how much. A statement that fails is a result too.
An identity is true by algebra and tests this code; a test could come out the other way.
Exit code 1 means that an identity fails: this code is wrong.

Example:
  cer claims --only theorem-2,theorem-2-law
  cer claims --json --seed 7 > claims.json`,
    )
    .action(async (options: ClaimsOptions) => {
      const { runClaims } = await import('../../paper/claims');
      const { checkedEntries } = await import('../../paper');
      const { seed } = options;
      const ids = checkedEntries.map(({ id }) => id);
      const only = options.only === undefined ? undefined : namesIn('Claims to check', options.only, ids);
      const rows = runClaims({ seed, only, onRow: options.json ? undefined : (row) => console.log(describe(row)) });
      if (options.json) console.log(JSON.stringify(rows, null, 2));
      else console.log(summary(rows));
      if (rows.some((row) => row.nature === 'identity' && row.verdict === 'fails')) process.exitCode = EXIT.failed;
    });
}

type Row = import('../../paper/claims').ClaimRow;

function describe(row: Row): string {
  const relation = `${row.expected.relation} ${digits(row.expected.value)}${plusMinus(row.expected.error ?? 0)}`;
  const measured = `${digits(row.measured)}${plusMinus(row.error)}`;
  return [
    `${row.verdict.toUpperCase().padEnd(20)} ${row.name}  [${row.evidence} ${row.nature}, wording: ${row.basis}]`,
    `  claim     ${row.statement}`,
    `  computed  ${row.detail}`,
    `  measured  ${measured}   expected ${relation}   margin ${digits(row.margin)}   (${row.milliseconds.toFixed(0)} ms)`,
    ...(row.violations ?? []).map((violation) => `  violated  ${violation}`),
    '',
  ].join('\n');
}

function summary(rows: Row[]): string {
  const count = (verdict: Row['verdict']) => rows.filter((row) => row.verdict === verdict).length;
  const seconds = rows.reduce((sum, row) => sum + row.milliseconds, 0) / 1000;
  const identities = rows.filter((row) => row.nature === 'identity').length;
  return (
    `${rows.length} claims, ${identities} of them identities: ${count('holds')} hold, ${count('fails')} fail, ${count('undecided')} undecided, ` +
    `${count('assumption violated')} with a violated assumption (${seconds.toFixed(1)} s)`
  );
}

function digits(value: number): string {
  const size = Math.abs(value);
  return size !== 0 && (size < 1e-3 || size >= 1e5) ? value.toExponential(2) : String(Number(value.toPrecision(5)));
}

function plusMinus(error: number): string {
  return error > 0 ? ` +- ${Number(error.toPrecision(2))}` : '';
}
