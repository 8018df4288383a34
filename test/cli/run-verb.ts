import { Command } from 'commander';
import type { Verb } from '../../src/cli/main';

/** Runs one verb in this process and returns what it printed on standard output; errors are thrown. */
export async function runVerb(verb: Verb, ...args: string[]): Promise<string> {
  const program = new Command('cer').exitOverride();
  verb.register(program);
  const lines: string[] = [];
  const print = console.log;
  console.log = (...parts: unknown[]) => lines.push(parts.join(' '));
  try {
    await program.parseAsync(['node', 'cer', ...args]);
  } finally {
    console.log = print;
  }
  return lines.join('\n');
}
