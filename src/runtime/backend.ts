import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { InvalidInputError, MissingDependencyError } from './errors';
import { makeWasmTrainable } from './wasm-matmul';

export type BackendName = 'tensorflow' | 'wasm' | 'cpu';

/** Which TensorFlow.js backend runs, and why. */
export interface BackendInfo {
  name: BackendName;
  reason: string;
}

const CHOICES = ['auto', 'tensorflow', 'wasm', 'cpu'] as const;
let current: BackendInfo | undefined;
/** The backend that `auto` selected. */
let automatic: BackendInfo | undefined;

/**
 * Loads a backend once and makes it current: the native `tensorflow` one when its library loads, else `wasm`.
 * @param choice defaults to the environment variable `CER_BACKEND`, else `auto`.
 * @throws InvalidInputError for an unknown choice, MissingDependencyError when an explicit choice cannot be loaded.
 */
export async function useBackend(choice = process.env.CER_BACKEND ?? 'auto'): Promise<BackendInfo> {
  if (!(CHOICES as readonly string[]).includes(choice)) {
    throw new InvalidInputError('Backend', {
      given: JSON.stringify(choice),
      expected: `one of ${CHOICES.join(', ')}`,
      remedy: 'Set CER_BACKEND to one of these or leave it unset.',
    });
  }
  if (choice === 'auto' && automatic) return activate(automatic);
  if (current?.name === choice) return activate(current);
  tf.env().set('PROD', true); // silences the "install our node backend" banner; IS_TEST would also count tensors per kernel
  if (choice === 'auto' || choice === 'tensorflow') {
    const failure = loadNative();
    if (failure === undefined) {
      automatic = { name: 'tensorflow', reason: 'the native library of @tensorflow/tfjs-node-gpu loads' };
      return activate(automatic);
    }
    if (choice === 'tensorflow') {
      throw new MissingDependencyError('Backend tensorflow', {
        given: failure,
        expected: 'a loadable native library of @tensorflow/tfjs-node-gpu',
        remedy: 'Run `npm run native`, or leave CER_BACKEND unset to use wasm.',
      });
    }
    require('@tensorflow/tfjs-backend-wasm');
    makeWasmTrainable();
    automatic = { name: 'wasm', reason: `native library not loaded (${failure})` };
    return activate(automatic);
  }
  if (choice === 'wasm') {
    require('@tensorflow/tfjs-backend-wasm');
    makeWasmTrainable();
  }
  return activate({ name: choice as BackendName, reason: 'requested' });
}

/** The backend in use, or undefined before `useBackend`. */
export function backendInUse(): BackendInfo | undefined {
  return current;
}

/** The npm package as installed, else the binding that `npm run native` built. Returns why neither loads, if so. */
function loadNative(): string | undefined {
  process.env.TF_CPP_MIN_LOG_LEVEL ??= '2'; // errors only; the library greets on stderr otherwise
  const built = join(__dirname, '..', '..', '.cache', 'native', 'node_modules', '@tensorflow', 'tfjs-node-gpu');
  let failure: string | undefined;
  for (const place of ['@tensorflow/tfjs-node-gpu', ...(existsSync(built) ? [built] : [])]) {
    try {
      require(place);
      return undefined;
    } catch (error) {
      failure = (error as Error).message.split('\n')[0];
    }
  }
  return failure;
}

async function activate(backend: BackendInfo): Promise<BackendInfo> {
  const before = FATAL.map(handlers);
  await tf.setBackend(backend.name);
  await tf.ready();
  removeHandlers(before);
  current = backend;
  return backend;
}

const FATAL = ['uncaughtException', 'unhandledRejection'];
const handlers = (event: string) => (process as NodeJS.EventEmitter).listeners(event) as ((reason: unknown) => void)[];
/** `function (x) { throw x; }`, also with the condition that `x` is not Emscripten's own. */
const RETHROWS = /^function\s*\((\w+)\)\s*\{\s*(if\s*\(!\(\1 instanceof ExitStatus\)\)\s*\{\s*)?throw \1;?[\s}]*$/;

/**
 * Takes away the handlers that Emscripten's part of the wasm backend added: they only throw the error again, from a line of 50 kB that
 * Node then prints before the message. Those of the user stay, also when they came while the backend was loading.
 */
function removeHandlers(before: readonly (readonly unknown[])[]): void {
  for (const [i, event] of FATAL.entries()) {
    for (const handler of handlers(event)) {
      const added = !before[i].includes(handler) && RETHROWS.test(String(handler));
      if (added) (process as NodeJS.EventEmitter).removeListener(event, handler);
    }
  }
}
