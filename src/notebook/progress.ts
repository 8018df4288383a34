import { html } from './html';
import { inNotebook, publish } from './output';

/** A progress bar that moves in place; `done` leaves a line without times, so that a re-run gives no difference. */
export interface Progress {
  /**
   * `done` of the total so far, with an optional remark (a loss, a file name).
   * @throws InterruptedError when the cell was interrupted: its loop must not go on computing unseen.
   */
  update(done: number, remark?: string): void;
  /** Ends the bar, with an optional closing remark. */
  done(remark?: string): void;
}

const NOTEBOOK_INTERVAL = 100; // ms between redraws
const TERMINAL_INTERVAL = 5000; // ms between lines: a log, not a film

/** Ends a loop whose cell was interrupted. */
export class InterruptedError extends Error {
  override readonly name = 'InterruptedError';
  constructor(label: string) {
    super(`${label}: stopped, as its cell was interrupted`);
  }
}

/** How often this kernel was interrupted; counted by its launcher. */
const interruptsSoFar = () => (globalThis as { cerInterrupts?: number }).cerInterrupts ?? 0;

let count = 0;

/** Starts a progress bar of `total` steps; outside a notebook it writes a line to stderr now and then. */
export function progress(label: string, total: number): Progress {
  const started = performance.now();
  const id = `cer-progress-${process.pid}-${++count}`;
  const notebook = inNotebook();
  let shown = -Infinity;
  let opened = false;
  const interrupts = interruptsSoFar();

  function draw(fraction: number, text: string): void {
    if (!notebook) {
      process.stderr.write(`${text}\n`);
      return;
    }
    const bar = html`<div style="display:flex;gap:0.6em;align-items:center"><progress value="${fraction.toFixed(4)}" max="1"></progress><span>${text}</span></div>`;
    publish({ 'text/html': bar.text, 'text/plain': text }, text, id, opened);
    opened = true;
  }

  return {
    update(done, remark) {
      if (interruptsSoFar() !== interrupts) throw new InterruptedError(label);
      const now = performance.now();
      if (now - shown < (notebook ? NOTEBOOK_INTERVAL : TERMINAL_INTERVAL)) return;
      shown = now;
      const fraction = total > 0 ? Math.min(done / total, 1) : 0;
      const elapsed = (now - started) / 1000;
      const left = fraction > 0 ? `, about ${Math.ceil((elapsed * (1 - fraction)) / fraction)} s left` : '';
      draw(fraction, `${label}: ${done}/${total} (${elapsed.toFixed(0)} s${left})${remark ? ` ${remark}` : ''}`);
    },
    done(remark) {
      draw(1, `${label}: ${total}/${total}${remark ? ` ${remark}` : ''}`);
    },
  };
}
