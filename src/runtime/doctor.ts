import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import os from 'node:os';
import { basename, join } from 'node:path';
import { useBackend } from './backend';
import type { MissingDependencyError } from './errors';
import { onnxRuntime, onnxRuntimeVersion } from './onnx-runtime';
import { defaultThreads } from './threads';

/** One thing the project uses: `fallback` means that it works without, less well; `missing` means that something fails. */
export interface Finding {
  what: string;
  status: 'good' | 'fallback' | 'missing';
  found: string;
  remedy?: string;
}

const root = join(__dirname, '..', '..');
const gib = (bytes: number) => `${(bytes / 2 ** 30).toFixed(1)} GiB`;

/** Looks at everything that the project uses on this machine; never throws for a thing that is missing. */
export async function examine(): Promise<Finding[]> {
  return [node(), ...(await backends()), compiler(), sharedMemory(), kernels(), jupyter(), chromium(), ...machine()];
}

function node(): Finding {
  const [major, minor] = process.versions.node.split('.').map(Number);
  const good = (major === 20 && minor >= 19) || major === 21 || major === 22;
  return {
    what: 'Node',
    status: good ? 'good' : 'missing',
    found: `${process.version} ${process.platform}-${process.arch}`,
    remedy: good ? undefined : 'install Node 20 (>= 20.19) or 22',
  };
}

async function backends(): Promise<Finding[]> {
  const rows: Finding[] = [];
  try {
    await useBackend('tensorflow');
    rows.push({ what: 'native TensorFlow', status: 'good', found: 'loads' });
  } catch (error) {
    rows.push({
      what: 'native TensorFlow',
      status: 'fallback',
      found: `not loaded: ${(error as { given?: string }).given ?? (error as Error).message}`,
      remedy: 'npm run native (optional; the wasm backend gives the same numbers, slower)',
    });
  }
  try {
    const { name, reason } = await useBackend();
    rows.push({ what: 'TensorFlow.js backend', status: 'good', found: `${name}: ${reason}` });
  } catch (error) {
    rows.push({
      what: 'TensorFlow.js backend',
      status: 'missing',
      found: (error as Error).message,
      remedy: 'unset CER_BACKEND',
    });
  }
  return rows;
}

function compiler(): Finding {
  try {
    onnxRuntime();
    return {
      what: 'ONNX Runtime',
      status: 'good',
      found: `${onnxRuntimeVersion()}, its reports to Microsoft turned off`,
    };
  } catch (error) {
    return {
      what: 'ONNX Runtime',
      status: 'fallback',
      found: (error as MissingDependencyError).given,
      remedy: 'npm run setup; until then CER_COMPILE=off runs everything eagerly',
    };
  }
}

function sharedMemory(): Finding {
  try {
    const { version, view } = require('koffi') as { version: string; view(array: Uint8Array, length: number): unknown };
    view(new Uint8Array(new SharedArrayBuffer(8)), 8);
    return { what: 'memory shared by training threads', status: 'good', found: `koffi ${version}` };
  } catch (error) {
    return {
      what: 'memory shared by training threads',
      status: 'fallback',
      found: `copied: ${(error as Error).message.split('\n')[0]}`,
      remedy:
        'npm run setup where koffi has a binary for this platform; until then training steps copy weights and are slower',
    };
  }
}

function kernels(): Finding {
  const { kernelFiles } = require(join(root, 'scripts', 'build-kernels.cjs')) as { kernelFiles(): string[] };
  const files = kernelFiles();
  const missing = files.filter((file) => !existsSync(join(root, file)));
  return missing.length === 0
    ? { what: 'WebAssembly kernels', status: 'good', found: files.map((file) => basename(file)).join(', ') }
    : {
        what: 'WebAssembly kernels',
        status: 'fallback',
        found: `not built: ${missing.map((file) => basename(file)).join(', ')}`,
        remedy: 'npm run build:kernels',
      };
}

function jupyter(): Finding {
  const { findJupyter } = require(join(root, 'scripts', 'find-jupyter.cjs'));
  const found = findJupyter() as { jupyter: string; version: string; how: string } | undefined;
  return found
    ? { what: 'Jupyter', status: 'good', found: `${found.jupyter}, nbclient ${found.version} (${found.how})` }
    : {
        what: 'Jupyter',
        status: 'missing',
        found: 'none',
        remedy:
          'npm run setup, or: conda env create -f environment.yml; pip install jupyterlab; apt-get install jupyter-notebook',
      };
}

function chromium(): Finding {
  const { findChromium } = require(join(root, 'scripts', 'find-chromium.cjs'));
  const path = findChromium() as string | undefined;
  if (!path) {
    return {
      what: 'Chromium',
      status: 'fallback',
      found: 'none: figures have no static PNG',
      remedy: 'install Chromium or Chrome, or set CER_CHROMIUM',
    };
  }
  let version = 'version unknown';
  try {
    version = execFileSync(path, ['--version'], {
      encoding: 'utf8',
      timeout: 10_000,
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {}
  return { what: 'Chromium', status: 'good', found: version };
}

function machine(): Finding[] {
  const cpus = os.cpus();
  return [
    {
      what: 'threads',
      status: 'good',
      found: `${os.availableParallelism()} of ${cpus[0]?.model.trim() ?? 'unknown processor'}; a computation uses ${defaultThreads()} (CER_THREADS)`,
    },
    {
      what: 'memory',
      status: os.totalmem() < 3.5 * 2 ** 30 ? 'fallback' : 'good',
      found: `${gib(os.freemem())} free of ${gib(os.totalmem())}`,
      remedy: os.totalmem() < 3.5 * 2 ** 30 ? 'the small profile wants about 4 GiB' : undefined,
    },
  ];
}
