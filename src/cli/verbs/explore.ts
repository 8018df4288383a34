import { type Command, InvalidArgumentError } from 'commander';

interface Options {
  port: number;
  open: boolean;
  build?: string;
  takeCurves?: string;
  json?: boolean;
}

/** `cer explore`: a local page to explore the flow, the decay and Figure 3. */
export function register(program: Command): void {
  program
    .command('explore')
    .description('open a local page to explore the flow, the decay and Figure 3, computed live in the browser')
    .option('--port <port>', 'port to listen on, on this machine only; 0 selects a free one', portNumber, 8890)
    .option('--no-open', 'print the address without starting a browser')
    .option('--build <folder>', 'write the page as files that open without a server, and exit')
    .option(
      '--take-curves <file>',
      'store the curves of a figure-3.json of `cer reproduce` for the third panel, and exit',
    )
    .option('--json', 'print only an object with the address or the written file on standard output')
    .addHelpText(
      'after',
      `
Examples:
  cer explore
  cer explore --port 0 --no-open
  cer explore --build page        # then open page/index.html
  cer explore --take-curves results/figure-3.json

Ctrl-C stops it. No request leaves the machine. Exit status: 0 done, 2 the port is taken, 3 kernels are not built.`,
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
