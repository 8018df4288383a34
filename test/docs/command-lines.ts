import { CommanderError } from 'commander';
import { buildProgram } from '../../src/cli/main';
import { type Block, pageText } from './pages';

/** The words of each `cer ...` in lines of a shell, without what follows on a pipe or comes out of a comment. */
export function cerCommands(text: string): string[][] {
  const lines = text.replace(/\\\n/g, ' ').split('\n');
  return lines.flatMap((line) => {
    const [, words] = line.match(/^(?:\w+=\S+ |[A-Z_]+='[^']*' )*npx cer( .*)?$/) ?? [];
    return line.includes('npx cer') ? [wordsOf(words ?? '')] : [];
  });
}

function wordsOf(text: string): string[] {
  const words = [...text.matchAll(/'[^']*'|"[^"]*"|\S+/g)].map(([word]) => word);
  const end = words.findIndex((word) => /^[#&|>]/.test(word));
  return (end < 0 ? words : words.slice(0, end)).map((word) => word.replace(/^(['"])(.*)\1$/, '$2'));
}

/** The examples in the generated page of commands, which is what `cer help VERB` prints. */
export function exampleCommands(): string[][] {
  const lines = [...pageText('docs/cli.md').matchAll(/^ {2}cer (.*)$/gm)].map(([, words]) => words);
  return lines.map((words) => wordsOf(words.split(/ {3,}/)[0]));
}

/** What the command line has to say against these words without doing anything; empty where it takes them. */
export function refusal(words: readonly string[]): string {
  const program = buildProgram().exitOverride();
  let said = '';
  for (const command of [program, ...program.commands]) {
    command.exitOverride().configureOutput({ writeErr: (text) => (said += text), writeOut: () => {} });
    if (command !== program) command.action(() => {});
  }
  try {
    program.parse(['node', 'cer', ...words]);
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode !== 0) return said || error.message;
  }
  return '';
}

/** Whether a block computes for longer than a moment, or goes on with what such a one made. */
export function takesLong({ text, short }: Block): boolean {
  return /cer (train|sample|explore|sweep|ablate|parity|reproduce)|--execute|npm (test|start)|mocha|runs\//.test(
    short?.text ?? text,
  );
}
