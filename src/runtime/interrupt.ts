/**
 * A signal that aborts on the first Ctrl-C or kill; a second Ctrl-C ends the process at once. `exitCode` is the one
 * that shells expect (130 or 143). Call `release` when nothing is left to stop.
 */
export function abortOnInterrupt(): { signal: AbortSignal; release: () => void } {
  const controller = new AbortController();
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  const codes = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 };
  const stop = (name: NodeJS.Signals) => {
    process.exitCode = codes[name as keyof typeof codes];
    if (controller.signal.aborted) process.exit();
    controller.abort();
  };
  for (const name of names) process.on(name, stop);
  const release = () => {
    for (const name of names) process.off(name, stop);
  };
  return { signal: controller.signal, release };
}
