import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, relative } from 'node:path';
import { type Notebook, writeNotebook } from '../../../src/reproduce/document';
import { type Jupyter, jupyterEnvironment, projectRoot } from '../../../src/reproduce/jupyter';
import { serverArguments } from '../../../src/reproduce/lab';

/** The front ends in which a reader may open a notebook. */
export type FrontEnd = 'lab' | 'notebook' | 'classic';

/** A program that serves a front end, with its version. */
export interface Program {
  frontEnd: FrontEnd;
  command: string[];
  version: string;
}

/** A front end of this machine: JupyterLab or Notebook 7 of the Jupyter in use, or a classic Notebook 6 beside it. */
export function findProgram(frontEnd: FrontEnd): Program | undefined {
  if (frontEnd === 'classic') return findClassic();
  const jupyter = require(join(projectRoot, 'scripts', 'find-jupyter.cjs')).findJupyter() as Jupyter | undefined;
  if (!jupyter) return undefined;
  const name = { lab: 'jupyterlab', notebook: 'notebook' }[frontEnd];
  const version = printed(jupyter.python, '-c', `import importlib.metadata as m; print(m.version('${name}'))`);
  if (Number.parseInt(version, 10) !== { lab: 4, notebook: 7 }[frontEnd]) return undefined;
  return { frontEnd, command: [jupyter.jupyter, frontEnd], version };
}

function findClassic(): Program | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter).filter(Boolean);
  for (const folder of folders) {
    const file = join(folder, 'jupyter-notebook');
    const version = existsSync(file) ? printed(file, '--version') : '';
    if (version.startsWith('6.')) return { frontEnd: 'classic', command: [file], version };
  }
  return undefined;
}

/** What a program prints, or nothing when it fails. */
function printed(file: string, ...options: string[]): string {
  const { status, stdout } = spawnSync(file, options, { encoding: 'utf8', timeout: 60_000 });
  return status === 0 ? stdout.trim() : '';
}

/** What a Jupyter server says of an open notebook. */
interface Session {
  id: string;
  path: string;
  kernel: { execution_state: string; connections: number };
}

/**
 * A Jupyter server on the project folder as `cer lab` starts it, on a free port of this machine, with settings, data and
 * results of its own. The notebooks that it serves are copies in a folder under `results/`.
 */
export class LiveServer {
  private constructor(
    readonly frontEnd: FrontEnd,
    readonly origin: string,
    private readonly token: string,
    private readonly child: ChildProcess,
    private readonly folder: string,
    private readonly home: string,
  ) {}

  static async start({ frontEnd, command }: Program, environment: NodeJS.ProcessEnv = {}): Promise<LiveServer> {
    const home = mkdtempSync(join(tmpdir(), 'cer-live-'));
    mkdirSync(join(projectRoot, 'results'), { recursive: true });
    const folder = mkdtempSync(join(projectRoot, 'results', 'live-'));
    const [port, token] = [await freePort(), randomBytes(16).toString('hex')];
    const [file, ...rest] = command;
    const log: string[] = [];
    const options = ['--no-browser', `--port=${port}`, ...tokenArguments(frontEnd, token)];
    const child = spawn(file, [...rest, ...serverArguments(frontEnd === 'lab' ? 'lab' : 'notebook'), ...options], {
      cwd: projectRoot,
      env: { ...jupyterEnvironment(), ...ownSettings(home), CER_RESULTS: join(home, 'findings'), ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (text) => log.push(String(text)));
    process.once('exit', () => child.kill()); // when the tests end before they close it
    const server = new LiveServer(frontEnd, `http://127.0.0.1:${port}`, token, child, folder, home);
    const answers = () =>
      fetch(`${server.origin}/api`).then(
        ({ ok }) => ok,
        () => false,
      );
    for (const end = Date.now() + 180_000; !(await answers()); await new Promise((next) => setTimeout(next, 100))) {
      if (Date.now() < end && child.exitCode === null) continue;
      await server.close();
      throw new Error(`Jupyter did not start:\n${log.join('')}`);
    }
    return server;
  }

  /** Puts a notebook into the served folder and returns its address. */
  add(name: string, notebook: Notebook): string {
    writeNotebook(this.path(name), notebook);
    return this.url(name);
  }

  /** The address of the notebook `name`. */
  url(name: string): string {
    const route = this.frontEnd === 'lab' ? 'lab/tree' : 'notebooks';
    const layout = this.frontEnd === 'lab' ? '&reset' : ''; // without it JupyterLab opens what was open before as well
    return `${this.origin}/${route}/${relative(projectRoot, this.path(name))}?token=${this.token}${layout}`;
  }

  /** Whether the kernel of the notebook at `url` waits for its reader. */
  async isIdle(url: string): Promise<boolean> {
    const kernel = (await this.session(url))?.kernel;
    if (!kernel || kernel.connections === 0) return false;
    return kernel.execution_state === 'idle' || this.frontEnd === 'classic'; // whose server may miss the first states
  }

  /** Ends the kernel of the notebook at `url`. */
  async endKernel(url: string): Promise<void> {
    const session = await this.session(url);
    if (session) await this.ask(`sessions/${session.id}`, 'DELETE');
  }

  private async session(url: string): Promise<Session | undefined> {
    const sessions = (await (await this.ask('sessions')).json()) as Session[];
    return sessions.find(({ path }) => new URL(url).pathname.endsWith(path));
  }

  private ask(resource: string, method = 'GET'): Promise<Response> {
    const headers = { Authorization: `token ${this.token}` };
    return fetch(`${this.origin}/api/${resource}`, { method, headers });
  }

  /** Where the notebook `name` is. */
  path(name: string): string {
    return join(this.folder, `${name}.ipynb`);
  }

  async close(): Promise<void> {
    if (this.child.exitCode === null) {
      const closed = once(this.child, 'close');
      this.child.kill('SIGTERM');
      const late = setTimeout(() => this.child.kill('SIGKILL'), 15_000);
      await closed;
      clearTimeout(late);
    }
    for (const folder of [this.folder, this.home]) rmSync(folder, { recursive: true, force: true });
  }
}

function tokenArguments(frontEnd: FrontEnd, token: string): string[] {
  return [frontEnd === 'classic' ? `--NotebookApp.token=${token}` : `--IdentityProvider.token=${token}`];
}

/** Jupyter's folders, all in `home`, and JupyterLab without its question about news. */
function ownSettings(home: string): NodeJS.ProcessEnv {
  const pageConfig = join(home, 'config', 'labconfig', 'page_config.json');
  mkdirSync(dirname(pageConfig), { recursive: true });
  writeFileSync(
    pageConfig,
    JSON.stringify({ disabledExtensions: { '@jupyterlab/apputils-extension:announcements': true } }),
  );
  return {
    JUPYTER_CONFIG_DIR: join(home, 'config'),
    JUPYTER_DATA_DIR: join(home, 'data'),
    JUPYTER_RUNTIME_DIR: join(home, 'runtime'),
    JUPYTERLAB_SETTINGS_DIR: join(home, 'settings'),
    JUPYTERLAB_WORKSPACES_DIR: join(home, 'workspaces'),
    IPYTHONDIR: join(home, 'ipython'),
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  return port;
}
