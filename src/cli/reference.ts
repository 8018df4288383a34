import type { Command } from 'commander';
import { EXIT_MEANINGS } from './exit-codes';
import { buildProgram } from './main';
import { PURPOSES } from './purposes';

const WIDTH = 100;

/** The page `docs/cli.md`: what `cer help VERB` prints, verb by verb, and the exit codes. */
export function cliReference(): string {
  const program = buildProgram();
  const verbs = new Map(program.commands.map((command) => [command.name(), command]));
  const sections = PURPOSES.flatMap(([purpose, names]) => {
    const there = names.filter((name) => verbs.has(name));
    return there.length === 0 ? [] : [`## ${purpose}`, ...there.map((name) => section(verbs.get(name)!))];
  });
  const codes = EXIT_MEANINGS.map(([code, meaning]) => `| ${code} | ${meaning} |`);
  return `${[
    '# The command line',
    '<!-- Written by `npm run docs` from the verbs themselves; a test compares. -->',
    'This page is what `cer help VERB` prints. `npx cer` alone shows all verbs by purpose. For a wrong name the error suggests the nearest valid one.',
    '## Exit codes',
    ['| code | meaning |', '|---|---|', ...codes].join('\n'),
    '## Common to all commands',
    [
      '- `--json`: standard output has only the results as JSON; progress and remarks go to standard error.',
      '- `--dry-run`, on every slow command: the configuration in effect and an estimate of time and memory, with its basis. Expect it to be right within a factor of two.',
      '- Progress is rewritten in place on a terminal. In a pipe, a file or CI (`CI` set) it is an occasional plain line.',
      '- Errors say what was given, what was expected and what to do, without a stack trace; `CER_DEBUG=1` shows the stack.',
      '- Environment: `CER_BACKEND` (tensorflow, wasm, cpu), `CER_COMPILE=off`, `CER_PROFILE` and `CER_PARAMETERS` for notebooks, `CER_CHROMIUM`, `CER_JUPYTER`.',
    ].join('\n'),
    ...sections,
  ].join('\n\n')}\n`;
}

function section(command: Command): string {
  let text = '';
  command.configureOutput({ writeOut: (part) => (text += part), getOutHelpWidth: () => WIDTH });
  command.outputHelp();
  return `### ${command.name()}\n\n\`\`\`text\n${text.trim()}\n\`\`\``;
}
