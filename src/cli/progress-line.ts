/** Where progress can go: a terminal rewrites the line, anything else gets an occasional line. */
export interface ProgressTarget {
  write(text: string): unknown;
  isTTY?: boolean;
  columns?: number;
}

const EVERY = 20_000; // ms between lines of a log

/**
 * A progress line that behaves in a pipe and in CI: rewritten in place on a terminal, else a plain line at first, every twenty
 * seconds and at the end of each part, without control characters (`CI` in the environment counts as no terminal).
 */
export class ProgressLine {
  private last = -Infinity;
  private readonly live: boolean;

  constructor(
    private readonly target: ProgressTarget = process.stderr,
    private readonly now: () => number = Date.now,
  ) {
    this.live = Boolean(target.isTTY) && !process.env.CI;
  }

  /** Shows a state; `ended` leaves the line standing. */
  show(text: string, ended = false): void {
    if (this.live) {
      const width = (this.target.columns || 80) - 1;
      this.target.write(`\r${text.slice(0, width).padEnd(width)}${ended ? '\n' : ''}`);
    } else if (ended || this.now() - this.last >= EVERY) {
      this.last = this.now();
      this.target.write(`${text}\n`);
    }
  }
}
