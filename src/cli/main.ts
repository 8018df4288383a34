import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { CerError } from '../runtime/errors';

/** A file in `verbs/` adds one verb of `cer`; it imports what is heavy inside its action, so that help stays quick. */
export interface Verb {
  register(program: Command): void;
}

/** Exit codes of `cer`: 0 done, 1 a check or run failed, 2 wrong usage or input, 3 something is missing. */
export const EXIT = { done: 0, failed: 1, usage: 2, missing: 3 } as const;

/** Runs `cer` with process arguments. Errors made for people are printed without a stack (`CER_DEBUG=1` shows it). */
export async function main(argv: string[]): Promise<void> {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(EXIT.done); // the reader of a pipe has seen enough
    throw error;
  });
  const program = new Command('cer')
    .description('Check, reproduce, measure and extend "Condition Errors Refinement in AR Image Generation".')
    .showHelpAfterError('(cer --help lists the verbs)')
    .exitOverride((error) => {
      process.exit(error.exitCode === 0 ? EXIT.done : EXIT.usage);
    });
  const folder = join(__dirname, 'verbs');
  for (const file of readdirSync(folder).sort()) {
    if (file.endsWith('.ts')) (require(join(folder, file)) as Verb).register(program);
  }
  try {
    await program.parseAsync(argv);
  } catch (error) {
    if (!(error instanceof CerError)) throw error;
    console.error(`cer: ${error.message}`);
    if (process.env.CER_DEBUG) console.error(error.stack);
    process.exitCode = error.code === 'missing-dependency' ? EXIT.missing : EXIT.usage;
  }
}
