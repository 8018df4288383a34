const { Worker } = require('node:worker_threads');

const { noDeprecation } = process;
process.noDeprecation = true; // of the inner module that has this function
const { clearAsyncIdStack } = process.binding('async_wrap');
process.noDeprecation = noDeprecation;

/** How long the main thread may leave an interrupt unanswered before what it computes is broken off. */
const PATIENCE = 300; // ms

/**
 * The watch runs in a thread of its own, where a signal arrives while the main thread computes. It breaks off what runs
 * there through V8's inspector, once, when the interrupt stays unanswered; never between cells or in the compiler.
 * Nothing that was entered is left in order then, so Node's account of it is emptied before (as Node itself does after
 * an uncaught exception); otherwise Node finds it wrong and ends the process.
 * Node has signals for other threads than the main one only in its (deprecated, but kept) inner module.
 */
const WATCH = `
process.noDeprecation = true;
const { Session } = require('node:inspector');
const { workerData: [answered, breakable] } = require('node:worker_threads');
const { Signal } = process.binding('signal_wrap');
let received = Atomics.load(answered, 0);
const signal = new Signal();
signal.onsignal = () => {
  const own = ++received;
  const timer = setInterval(() => {
    if (Atomics.load(answered, 0) >= own) return clearInterval(timer);
    if (!Atomics.load(breakable, 0)) return;
    clearInterval(timer);
    const session = new Session();
    session.connectToMainThread();
    session.post('Runtime.evaluate', { expression: 'cerBeforeBreak()' });
    session.post('Runtime.terminateExecution', () => session.disconnect());
  }, ${PATIENCE});
};
signal.start(2); // SIGINT
`;

/**
 * Lets an interrupt end the running cell within half a second, also one that computes without a pause.
 * Where the watching thread cannot be had, an interrupt lands at the cell's next pause.
 */
class Interrupts {
  /** @param onInterrupt called for each interrupt, on the main thread. */
  constructor(onInterrupt) {
    this.breakable = flag();
    const answered = flag();
    this.next();
    process.on('SIGINT', () => {
      Atomics.add(answered, 0, 1);
      globalThis.cerInterrupts = (globalThis.cerInterrupts ?? 0) + 1; // long loops look at it, see src/notebook/progress
      const stop = this.stop;
      this.next();
      onInterrupt();
      stop();
    });
    globalThis.cerBeforeBreak = clearAsyncIdStack;
    const watch = new Worker(WATCH, { eval: true, workerData: [answered, this.breakable] });
    watch.on('error', () => {});
    watch.unref();
  }

  next() {
    this.interrupted = new Promise((resolve) => {
      this.stop = resolve;
    });
  }

  /** Whether the work may be broken off in the middle of a computation. */
  allow(yes) {
    Atomics.store(this.breakable, 0, yes ? 1 : 0);
  }

  /**
   * Runs `work` and waits for it or for an interrupt, whichever is first.
   * @returns what `work` returned, or undefined when it was interrupted.
   */
  async race(work) {
    const { interrupted } = this;
    // A timer's callback is the one place that Node calls again in good order after it was broken off.
    const done = new Promise((resolve, reject) => setTimeout(() => work().then(resolve, reject)));
    done.catch(() => {}); // an interrupted cell may fail later, when nobody waits
    try {
      return await Promise.race([done, interrupted]);
    } finally {
      this.allow(false);
    }
  }
}

function flag() {
  return new Int32Array(new SharedArrayBuffer(4));
}

module.exports = { Interrupts };
