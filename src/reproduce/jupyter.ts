import { delimiter, join } from 'node:path';
import { MissingDependencyError } from '../runtime/errors';

/** A Jupyter that can execute notebooks. */
export interface Jupyter {
  python: string;
  jupyter: string;
  /** nbclient's version. */
  version: string;
  how: 'CER_JUPYTER' | 'PATH' | '.venv';
}

/** The project folder; kernels run in it. */
export const projectRoot = join(__dirname, '..', '..');

/** @throws MissingDependencyError when there is no Jupyter with nbclient. */
export function requireJupyter(): Jupyter {
  const found = require(join(projectRoot, 'scripts', 'find-jupyter.cjs')).findJupyter() as Jupyter | undefined;
  if (found) return found;
  throw new MissingDependencyError('Jupyter', {
    given: process.env.CER_JUPYTER ? `CER_JUPYTER = ${process.env.CER_JUPYTER}` : 'none on PATH and none in .venv',
    expected: 'a `jupyter` whose Python has nbclient',
    remedy:
      'Run `npm run setup`, or `pip install jupyterlab nbconvert`, or on Debian `apt-get install jupyter-notebook python3-nbclient`.',
  });
}

/** Environment variables under which Jupyter finds the project's kernel, without any installation. */
export function jupyterEnvironment(): NodeJS.ProcessEnv {
  const path = [join(projectRoot, '.jupyter'), process.env.JUPYTER_PATH].filter(Boolean).join(delimiter);
  return { ...process.env, JUPYTER_PATH: path };
}
