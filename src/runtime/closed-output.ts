import { closeSync, openSync } from 'node:fs';
import { isatty } from 'node:tty';

/** What a reader that went away answers: a closed pipe, or a terminal that was closed. */
const GONE = new Set(['EPIPE', 'EIO', 'ENXIO', 'ECONNRESET']);

/**
 * Lets work continue after the reader of standard output or standard error has closed it: later output is dropped.
 * @param onError called for any other failure to write, such as a full disk.
 */
export function surviveClosedOutput(onError: (stream: string, error: NodeJS.ErrnoException) => void): void {
  for (const [name, stream] of [
    ['Standard output', process.stdout],
    ['Standard error', process.stderr],
  ] as const) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (!GONE.has(error.code ?? '')) onError(name, error);
    });
  }
  const terminals = [0, 1, 2].filter((descriptor) => isatty(descriptor));
  process.on('exit', () => {
    // Node crashes at its end when it cannot reset a terminal that is gone; it leaves alone what is none any more.
    for (const descriptor of terminals) {
      if (isatty(descriptor)) continue;
      closeSync(descriptor);
      openSync('/dev/null', 'r+'); // takes the descriptor just freed
    }
  });
}
