// A helper thread: joins a solve, runs the kernel calls that the calling thread posts, and goes back to sleep when it ends.
'use strict';
const { parentPort } = require('node:worker_threads');

let memory;
let exported;

parentPort.on('message', (session) => {
  const control = new Int32Array(session.control, 0, 4); // [posted, call (-1 ends), done, failed]
  const values = new Float64Array(session.control, 16);
  try {
    if (session.memory !== memory) {
      exported = new WebAssembly.Instance(session.module, { env: { memory: session.memory } }).exports;
      memory = session.memory; // only now: what failed is tried again, not used with other memory
    }
  } catch {
    Atomics.store(control, 3, 1);
  }
  for (let seen = 0; ; ) {
    while (Atomics.load(control, 0) === seen) Atomics.wait(control, 0, seen);
    seen = Atomics.load(control, 0);
    const call = Atomics.load(control, 1);
    if (call < 0) return;
    try {
      const kernel = exported[session.calls[call]];
      kernel(...values.subarray(0, kernel.length));
    } catch {
      Atomics.store(control, 3, 1);
    }
    Atomics.store(control, 2, seen);
    Atomics.notify(control, 2);
  }
});
