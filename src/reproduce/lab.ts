import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { MissingDependencyError } from '../runtime/errors';
import { jupyterEnvironment, projectRoot, requireJupyter } from './jupyter';

/**
 * How Jupyter is started on the project folder: for this machine only, on the notebooks, and asking no other machine for
 * news, updates or extensions.
 */
export function serverArguments(program: 'lab' | 'notebook'): string[] {
  const lab = [
    '--LabApp.default_url=/lab/tree/notebooks',
    '--LabApp.news_url=None',
    '--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate',
    '--LabApp.extension_manager=readonly',
  ];
  const place = program === 'lab' ? lab : ['--NotebookApp.default_url=/tree/notebooks'];
  const asRoot = process.getuid?.() === 0 ? ['--allow-root'] : []; // as in a container; the token still guards it
  return ['--ip=127.0.0.1', ...place, ...asRoot];
}

/**
 * Runs JupyterLab (else Notebook) on the project until it is closed, for this machine only and with Jupyter's token.
 * The project folder is its root, so that figures can fetch plotly from the project's own packages.
 * @returns Jupyter's exit status.
 * @throws MissingDependencyError when there is neither JupyterLab nor Notebook.
 */
export async function openLab(extra: readonly string[]): Promise<number> {
  const { jupyter, how } = requireJupyter();
  const has = (program: string) => spawnSync(jupyter, [program, '--version'], { timeout: 60_000 }).status === 0;
  const program = has('lab') ? 'lab' : has('notebook') ? 'notebook' : undefined;
  if (!program) {
    throw new MissingDependencyError('JupyterLab', {
      given: `a Jupyter (${how}) with neither \`lab\` nor \`notebook\``,
      expected: 'JupyterLab or Jupyter Notebook',
      remedy: 'Run `pip install jupyterlab` in the same Python, or point CER_JUPYTER to another `jupyter`.',
    });
  }
  console.log(`Opening Jupyter ${program === 'lab' ? 'Lab' : 'Notebook'}; Ctrl-C here closes it.`);
  const child = spawn(jupyter, [program, ...serverArguments(program), ...extra], {
    cwd: projectRoot,
    env: jupyterEnvironment(),
    stdio: 'inherit',
  });
  const pass = () => {}; // Ctrl-C reaches Jupyter by itself, which asks before it stops
  process.on('SIGINT', pass);
  const end = () => child.kill('SIGTERM'); // Jupyter itself stays when its terminal is closed
  for (const name of ['SIGTERM', 'SIGHUP'] as const) process.on(name, end);
  const watch = endsWithThisProcess(child);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      watch?.kill('SIGKILL');
      process.off('SIGINT', pass);
      for (const name of ['SIGTERM', 'SIGHUP'] as const) process.off(name, end);
      resolve(code ?? 1);
    });
  });
}

/** Sends a process SIGTERM as soon as this one has ended, even by SIGKILL: a shell waits on a pipe that only this process holds open. */
function endsWithThisProcess({ pid }: ChildProcess): ChildProcess | undefined {
  if (process.platform === 'win32' || pid === undefined) return undefined;
  const script = 'read line; kill -TERM "$1"';
  const watch = spawn('sh', ['-c', script, 'sh', String(pid)], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
  watch.on('error', () => {});
  watch.unref();
  return watch;
}
