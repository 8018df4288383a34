import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';

/** The Python to measure against: CER_PYTHON, else .venv, else python3 on the PATH; undefined when it lacks the modules. */
export function findPython(modules: string[]): { python?: string; missing: string } {
  const candidates = [process.env.CER_PYTHON, join('.venv', 'bin', 'python'), 'python3'].filter(
    (path): path is string => path !== undefined && (path === 'python3' || existsSync(path)),
  );
  for (const python of candidates) {
    if (spawnSync(python, ['-c', `import ${modules.join(', ')}`]).status === 0) return { python, missing: '' };
  }
  return { missing: `no Python with ${modules.join(' and ')} (set CER_PYTHON, or install them in .venv)` };
}

/** The version of PyTorch and the name of the GPU that it uses, where there are any. */
export function describeTorch(device: 'cpu' | 'cuda'): { torch?: string; gpu?: string } {
  const { python } = findPython(['torch']);
  if (!python) return {};
  const ask = (what: string) =>
    spawnSync(python, ['-c', `import torch; print(${what})`])
      .stdout.toString()
      .trim();
  const torch = ask('torch.__version__');
  return device === 'cuda' ? { torch, gpu: ask('torch.cuda.get_device_name()') } : { torch };
}

/** A peer process that answers one JSON line for each JSON line it is sent; it stays warm between questions. */
export class Peer {
  private readonly process: ChildProcessWithoutNullStreams;
  private readonly lines: Interface;
  private readonly waiting: { resolve(line: string): void; reject(error: Error): void }[] = [];
  private errors = '';

  constructor(python: string, script: string, environment: Record<string, string>) {
    this.process = spawn(python, [script], { env: { ...process.env, ...environment } });
    this.process.stderr.on('data', (text) => (this.errors = `${this.errors}${text}`.slice(-2000)));
    this.lines = createInterface(this.process.stdout);
    this.lines.on('line', (line) => this.waiting.shift()?.resolve(line));
    this.process.on('exit', (code) => {
      for (const { reject } of this.waiting) reject(new Error(`peer ended with ${code}: ${this.errors}`));
    });
  }

  async ask<T>(question: object): Promise<T> {
    const answer = new Promise<string>((resolve, reject) => this.waiting.push({ resolve, reject }));
    this.process.stdin.write(`${JSON.stringify(question)}\n`);
    return JSON.parse(await answer) as T;
  }

  close(): void {
    this.process.stdin.end();
  }
}

/** The middle value. */
export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
