/** Exit codes of an interrupted process as shells know them: 128 and the signal's number. */
const CODES = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;
type Name = keyof typeof CODES;

/** Work that was stopped from outside before it had a result. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';

  constructor() {
    super('interrupted before there was anything to keep');
  }
}

/**
 * A signal that aborts on the first Ctrl-C, SIGTERM or SIGHUP, and when the parent that holds a channel to this process is gone; a second
 * one ends the process at once. `process.exitCode` becomes 130, 143 or 129. Call `release` when nothing is left to stop.
 *
 * Node hears signals between turns of its event loop only: long synchronous work must `pause` now and then. A verb that keeps nothing when
 * it is stopped needs none of this: without a handler the system ends it at once. Children that are to be asked to stop, rather than hear
 * Ctrl-C themselves, are started with `detached: true`.
 * @param onAbort called once, at the first.
 */
export function abortOnInterrupt(onAbort?: () => void): { signal: AbortSignal; release: () => void } {
  const controller = new AbortController();
  const names = Object.keys(CODES) as Name[];
  const stop = (name: Name) => {
    process.exitCode = CODES[name];
    if (controller.signal.aborted) process.exit();
    controller.abort();
    onAbort?.();
  };
  const parentGone = () => {
    if (!controller.signal.aborted) stop('SIGHUP');
  };
  for (const name of names) process.on(name, stop);
  if (process.connected === false) parentGone();
  else if (process.connected) process.once('disconnect', parentGone);
  const release = () => {
    for (const name of names) process.off(name, stop);
    process.off('disconnect', parentGone);
  };
  return { signal: controller.signal, release };
}

/** Gives signals and timers a turn between two pieces of synchronous work. */
export function pause(): Promise<void> {
  return new Promise((done) => setImmediate(done));
}

/** The same, for work that keeps nothing when it is stopped. @throws Interrupted when the signal has aborted. */
export async function pauseUnlessAborted(signal?: AbortSignal): Promise<void> {
  await pause();
  if (signal?.aborted) throw new Interrupted();
}
