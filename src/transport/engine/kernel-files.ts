import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { Worker } from 'node:worker_threads';
import { KERNEL_NAMES, type KernelModules, type KernelName, provideKernels, type ThreadTeam } from './kernel-modules';

/** Folder of the compiled kernels: in the folder above this file, or under the working directory when this file was compiled elsewhere. */
function kernelFolder(): string | undefined {
  const candidates = [join(__dirname, '..', 'kernels'), join(process.cwd(), 'src', 'transport', 'kernels')];
  return candidates.find((folder) => existsSync(join(folder, 'simd.wasm')));
}

/** Kernels from the files that `npm run build:kernels` makes; undefined when they are not there or `CER_KERNELS=off`. */
export function kernelsFromFiles(): KernelModules | undefined {
  const folder = kernelFolder();
  if (!folder || process.env.CER_KERNELS === 'off') return undefined;
  const read = (name: string) => readFileSync(join(folder, `${name}.wasm`));
  // Node 20 has relaxed SIMD behind this flag; later ones have it without and ignore the flag.
  setFlagsFromString('--experimental-wasm-relaxed-simd');
  const relaxed = process.env.CER_KERNELS !== 'simd' && WebAssembly.validate(read('relaxed'));
  const build = relaxed ? 'relaxed' : 'simd';
  return {
    single: new WebAssembly.Module(read(build)),
    shared: new WebAssembly.Module(read(`${build}-shared`)),
    relaxed,
  };
}

const START_TIMEOUT = 20_000;
const workers: Worker[] = [];

function worker(index: number): Worker {
  if (!workers[index]) {
    const file = join(kernelFolder() ?? '', 'worker.cjs');
    const created = new Worker(file, { execArgv: [], stdout: true, stderr: true });
    created.unref(); // an idle helper never keeps the process alive
    created.on('error', () => delete workers[index]);
    created.on('exit', () => delete workers[index]);
    workers[index] = created;
  }
  return workers[index];
}

/** Helper threads for one solve over a shared memory; they sleep in between and end with the process. */
export function startThreads(helpers: number, module: WebAssembly.Module, memory: WebAssembly.Memory): ThreadTeam {
  const team = Array.from({ length: helpers }, (_, index) => {
    const control = new SharedArrayBuffer(16 + 8 * 16);
    const thread = worker(index);
    thread.postMessage({ control, module, memory, calls: KERNEL_NAMES });
    return { thread, flags: new Int32Array(control, 0, 4), values: new Float64Array(control, 16) };
  });
  const send = (index: number, call: number) => {
    const { flags } = team[index - 1];
    Atomics.store(flags, 1, call);
    Atomics.add(flags, 0, 1);
    Atomics.notify(flags, 0);
  };
  return {
    post(index: number, name: KernelName, values: number[]) {
      team[index - 1].values.set(values);
      send(index, KERNEL_NAMES.indexOf(name));
    },
    wait(index: number) {
      const { flags } = team[index - 1];
      const posted = Atomics.load(flags, 0);
      for (let spin = 0; spin < 2000; spin++) if (Atomics.load(flags, 2) === posted) return flags[3] === 0;
      for (let done = Atomics.load(flags, 2); done !== posted; done = Atomics.load(flags, 2)) {
        if (Atomics.wait(flags, 2, done, START_TIMEOUT) === 'timed-out') return false;
      }
      return flags[3] === 0;
    },
    end() {
      for (let index = 1; index <= helpers; index++) send(index, -1);
    },
  };
}

provideKernels(kernelsFromFiles, startThreads);
