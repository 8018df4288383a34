import type { Command } from 'commander';

export function register(program: Command): void {
  program
    .command('lab')
    .description('open JupyterLab on the notebooks with the project’s own TypeScript kernel')
    .argument('[arguments...]', 'passed on to Jupyter, for example --no-browser')
    .allowUnknownOption()
    .option('--port <port>', 'port to listen on, on this machine only', '8888')
    .addHelpText('after', '\nExample:\n  cer lab\n  cer lab --no-browser --port 9999')
    .action(async (rest: string[], { port }: { port: string }) => {
      const { openLab } = await import('../../reproduce/lab');
      process.exitCode = await openLab(['--port', port, ...rest]);
    });
}
