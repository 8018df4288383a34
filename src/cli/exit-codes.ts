/** Exit codes of `cer`. */
export const EXIT = { done: 0, failed: 1, usage: 2, missing: 3, interrupted: 130 } as const;

/** What each code means, for the help and the reference page. */
export const EXIT_MEANINGS: readonly (readonly [code: number, meaning: string])[] = [
  [EXIT.done, 'done; every requested check holds'],
  [EXIT.failed, 'a check, a notebook or a computation failed'],
  [EXIT.usage, 'wrong usage or input: an invalid option, name or file'],
  [
    EXIT.missing,
    'something is missing on this machine: a file, a program or a library (`cer doctor` gives the remedy)',
  ],
  [EXIT.interrupted, 'interrupted (Ctrl-C); finished work is kept (143 and 129 after SIGTERM and SIGHUP)'],
];
