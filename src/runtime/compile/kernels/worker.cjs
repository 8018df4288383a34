// A helper thread of a training step: sleeps until the main thread posts a job, does it, answers, and sleeps again.
'use strict';
const { receiveMessageOnPort, workerData } = require('node:worker_threads');
const { createEvaluator } = require('./evaluator.cjs');

const { paths, module: compiled, memory, size, slot, control, port } = workerData;
/** What it can do; made on the first job, so that a failure is an answer. */
let jobs;
function prepare() {
  const native = require(paths.binding);
  native.initOrt();
  const { Tensor } = require(paths.tensors);
  const abort = () => {
    throw new Error('the update kernel stopped');
  };
  const kernel = new WebAssembly.Instance(compiled, { env: { memory, abort } }).exports;
  const evaluator = createEvaluator({ native, Tensor, memory: new Float32Array(memory.buffer), size, slot });
  return {
    load: (job) => evaluator.load(job),
    run: (job) => evaluator.run(job),
    /** Calls of the update kernel; what the last of them returns. */
    kernel: ({ calls }) => calls.reduce((_, { name, values }) => kernel[name](...values) ?? 0, 0),
    dispose: () => evaluator.dispose(),
  };
}

for (let seen = 0, working = true; working; ) {
  for (let spin = 0; spin < 2000 && Atomics.load(control, 0) === seen; spin++);
  while (Atomics.load(control, 0) === seen) Atomics.wait(control, 0, seen);
  seen++;
  const job = receiveMessageOnPort(port).message;
  working = job.kind !== 'dispose';
  try {
    jobs ??= prepare();
    port.postMessage({ value: jobs[job.kind](job) });
  } catch (error) {
    port.postMessage({ error: String(error.message) });
  }
  Atomics.store(control, 1, seen);
  Atomics.notify(control, 1);
}
port.close();
