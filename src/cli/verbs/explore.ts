import { type Command, InvalidArgumentError } from 'commander';

interface Options {
  port: number;
  open: boolean;
  build?: string;
  takeCurves?: string;
  json?: boolean;
}

/** `cer explore`: a local page to play with the flow, the decay and Figure 3. */
export function register(program: Command): void {
  program
    .command('explore')
    .description('open a local page to play with the flow, the decay and Figure 3, computed live in the browser')
    .option('--port <port>', 'port to listen on, on this machine only; 0 takes a free one', portNumber, 8890)
    .option('--no-open', 'print the address and do not start a browser')
    .option('--build <folder>', 'write the page as files that open without a server, and end')
    .option(
      '--take-curves <file>',
      'take the curves of the third panel from a figure-3.json of `cer reproduce`, and end',
    )
    .option('--json', 'the address, or the file that was written, as an object on standard output and nothing else')
    .addHelpText(
      'after',
      `
Examples:
  cer explore
  cer explore --port 0 --no-open
  cer explore --build page        # then open page/index.html
  cer explore --take-curves results/figure-3.json

Ctrl-C ends it. No request leaves the machine. Exit status: 0 done, 2 the port is taken, 3 kernels are not built.`,
    )
    .action(async ({ port, open, build, takeCurves, json }: Options) => {
      const explore = await import('../../explore/run');
      const wrote = (file: string, more: string) =>
        console.log(json ? JSON.stringify({ file }) : `Wrote ${file}${more}`);
      if (takeCurves !== undefined) wrote(explore.takeCurves(takeCurves), '');
      else if (build !== undefined) wrote(await explore.writePage(build), ': open it in a browser.');
      else await explore.runServer({ port, open, json });
    });
}

function portNumber(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isInteger(value) && value >= 0 && value <= 65535) return value;
  throw new InvalidArgumentError('It must be a whole number from 0 to 65535.');
}
