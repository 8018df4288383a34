import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { surviveClosedOutput } from '../runtime/closed-output';
import { CerError } from '../runtime/errors';
import { Interrupted } from '../runtime/interrupt';
import { EXIT, EXIT_MEANINGS } from './exit-codes';
import { purposeOf, rankOf } from './purposes';

export { EXIT } from './exit-codes';

/** A file in `verbs/` adds one verb of `cer`; heavy modules are imported inside its action, so that help stays quick. */
export interface Verb {
  register(program: Command): void;
}

/** The whole command line, its verbs in the order and under the headings of `purposes.ts`. */
export function buildProgram(): Command {
  const program = new Command('cer')
    .description(
      'Check, reproduce, measure and extend "Condition Errors Refinement in Autoregressive Image Generation with Diffusion Loss".',
    )
    .usage('<verb> [options]')
    .version(versionText(), '-V, --version', 'print the version')
    .addHelpCommand(
      new Command('help')
        .argument('[verb]')
        .description('show the help of a verb')
        .helpGroup(`${purposeOf('help')}:`),
    )
    .exitOverride((error) => {
      process.exit(error.exitCode === 0 ? EXIT.done : EXIT.usage);
    })
    .showHelpAfterError('(cer --help lists the verbs, cer help VERB its options)')
    .addHelpText('after', afterHelp());
  const folder = join(__dirname, 'verbs');
  for (const file of readdirSync(folder).sort()) {
    if (file.endsWith('.ts')) (require(join(folder, file)) as Verb).register(program);
  }
  for (const command of program.commands) command.helpGroup(`${purposeOf(command.name())}:`);
  (program.commands as Command[]).sort((a, b) => rankOf(a.name()) - rankOf(b.name()));
  return program;
}

function versionText(): string {
  return JSON.parse(readFileSync(join(__dirname, '..', '..', 'package.json'), 'utf8')).version;
}

function afterHelp(): string {
  const codes = EXIT_MEANINGS.map(([code, meaning]) => `  ${String(code).padStart(3)}  ${meaning}`);
  return `
Example:
  cer claims                    the paper's statements, each as a number with its error
  cer reproduce --profile smoke every notebook, in about three minutes
  cer help sample               the options of a verb, with an example

Exit codes:
${codes.join('\n')}

With --json a verb prints only its results on standard output; progress and remarks go to standard error.`;
}

/** Runs `cer` with process arguments. Errors with a message for users are printed without a stack (`CER_DEBUG=1` shows it). */
export async function main(argv: string[]): Promise<void> {
  surviveClosedOutput((stream, error) => {
    console.error(`cer: ${stream}: ${error.message}. ${SYSTEM_ERRORS[error.code ?? ''] ?? ''}`);
    process.exit(EXIT.failed);
  });
  const program = buildProgram();
  if (argv.length <= 2) return program.outputHelp();
  await finish(() => program.parseAsync(argv));
}

/** Runs a verb to its end. An error, or work that can never finish, becomes a line and an exit code. */
export async function finish(work: () => Promise<unknown>): Promise<void> {
  const unfinished = () => {
    console.error(
      'cer: the command came to its end with work unfinished: what it waited for never came. This is a bug',
    );
    console.error('of the program; the same command (for a training with --resume) resumes where it stopped.');
    process.exitCode = EXIT.failed;
  };
  process.once('beforeExit', unfinished); // the event loop is empty
  try {
    await work();
  } catch (error) {
    process.exitCode = explain(error);
  } finally {
    process.off('beforeExit', unfinished);
  }
}

/** Prints what went wrong and returns the exit code; an unexpected error is rethrown with its stack. */
function explain(error: unknown): number {
  if (process.env.CER_DEBUG) console.error(error);
  if (error instanceof Interrupted) {
    console.error(`cer: ${error.message}`);
    return Number(process.exitCode) || EXIT.interrupted;
  }
  if (error instanceof CerError) {
    console.error(`cer: ${error.message}`);
    if (error.code === 'missing-dependency') return EXIT.missing;
    return error.code === 'numerical' ? EXIT.failed : EXIT.usage;
  }
  const { code = '', syscall, message } = (error ?? {}) as NodeJS.ErrnoException;
  const remedy =
    SYSTEM_ERRORS[code] ?? (syscall ? 'The operating system refused it: check the path and its disk.' : undefined);
  if (!remedy) throw error;
  console.error(`cer: ${message}. ${remedy}`);
  return EXIT.usage;
}

/** Errors of the operating system that a user can resolve. */
const SYSTEM_ERRORS: Record<string, string | undefined> = {
  ENOENT: 'No such file or folder: check the path, and make the folder first.',
  EACCES: 'Not allowed: check who owns the file or folder, or choose another place.',
  EPERM: 'Not allowed: check who owns the file or folder, or choose another place.',
  EROFS: 'The file system is read-only: choose another place.',
  EEXIST: 'A file is where a folder should be: choose another place.',
  EISDIR: 'That is a folder: name a file.',
  ENOTDIR: 'A part of the path is a file: name a folder.',
  ENOSPC: 'The disk is full: free some space or choose another place.',
  ENAMETOOLONG: 'The name is too long: choose a shorter one.',
  ELOOP: 'Links that lead to each other: name the file or folder itself.',
  EFBIG: 'The file would be larger than its disk or the limit of the shell (ulimit -f) allows.',
  EDQUOT: 'Your share of the disk is used up: free some space or choose another place.',
  EMFILE: 'Too many files are open: raise the limit (ulimit -n 1024).',
  ENFILE: 'Too many files are open on this machine.',
  EIO: 'The disk or terminal did not answer: check it, or choose another place.',
  EXDEV: 'The two places are on different disks: choose one on the same disk.',
  ENOTEMPTY: 'The folder is in use by something else: choose another place.',
  EADDRINUSE: 'Something listens there already: choose another port.',
};
