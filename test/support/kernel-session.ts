import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type Jupyter, jupyterEnvironment, projectRoot } from '../../src/reproduce/jupyter';

interface Message {
  type: string;
  /** What kind of request it answers. */
  of?: string;
  // biome-ignore lint/suspicious/noExplicitAny: as many shapes as Jupyter has messages
  content: any;
}

/** No cell of a test takes longer, unless the kernel hangs. */
const LIMIT = 30_000; // ms

/** What a cell did. */
export interface CellResult {
  /** The text that it printed. */
  printed: string;
  error?: { name: string; text: string };
  /** From its first output (or the interrupt, when there was one) to its end. */
  milliseconds: number;
}

/** A kernel of the project that runs cells one after the other and can be interrupted in them. */
export class KernelSession {
  private readonly child: ChildProcess;
  private readonly waiting: ((message: Message) => void)[] = [];
  private readonly arrived: Message[] = [];
  private complaints = '';

  private constructor(jupyter: Jupyter, environment: NodeJS.ProcessEnv) {
    this.child = spawn(jupyter.python, [join(__dirname, 'kernel-session.py')], {
      cwd: projectRoot,
      env: { ...jupyterEnvironment(), ...environment },
    });
    this.child.stderr!.on('data', (text) => {
      this.complaints += text;
    });
    createInterface({ input: this.child.stdout! }).on('line', (line) => {
      const message = JSON.parse(line) as Message;
      const next = this.waiting.shift();
      if (next) next(message);
      else this.arrived.push(message);
    });
  }

  /** Starts a kernel and waits until it answers. */
  static async start(jupyter: Jupyter, environment: NodeJS.ProcessEnv = {}): Promise<KernelSession> {
    const session = new KernelSession(jupyter, environment);
    const ended = once(session.child, 'close').then(() => {
      throw new Error(`The kernel did not start:\n${session.complaints}`);
    });
    ended.catch(() => {});
    while ((await Promise.race([session.next(), ended])).type !== 'ready');
    return session;
  }

  interrupt(): void {
    this.send({ interrupt: true });
  }

  /** Runs a cell to its end; with `interruptAfter` it is interrupted so many milliseconds after its first output. */
  async run(code: string, { interruptAfter }: { interruptAfter?: number } = {}): Promise<CellResult> {
    this.send({ execute: code });
    const result: CellResult = { printed: '', milliseconds: 0 };
    let since = performance.now();
    let waitsForOutput = interruptAfter !== undefined;
    for (;;) {
      const { type, of, content } = await this.next();
      if (waitsForOutput && (type === 'stream' || type === 'display_data')) {
        waitsForOutput = false;
        setTimeout(() => {
          since = performance.now();
          this.interrupt();
        }, interruptAfter);
      }
      if (type === 'stream') result.printed += content.text;
      if (type === 'error') result.error = { name: content.ename, text: content.evalue };
      if (type === 'status' && of === 'execute_request' && content.execution_state === 'idle') break;
    }
    return { ...result, milliseconds: performance.now() - since };
  }

  async close(): Promise<void> {
    const closed = once(this.child, 'close');
    this.child.stdin!.end();
    await closed;
  }

  private send(command: object): void {
    this.child.stdin!.write(`${JSON.stringify(command)}\n`);
  }

  private next(): Promise<Message> {
    const message = this.arrived.shift();
    if (message) return Promise.resolve(message);
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`The kernel says nothing. ${this.complaints}`)), LIMIT);
      this.waiting.push((arrived) => {
        clearTimeout(late);
        resolve(arrived);
      });
    });
  }
}
