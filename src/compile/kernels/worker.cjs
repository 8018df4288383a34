// A helper thread of a training step, or of a graph on parts of its rows: sleeps until the main thread posts a job, does it, answers, and sleeps again.
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
  return { ...graphJobs(native, Tensor), ...(memory ? stepJobs(native, Tensor) : { dispose: () => 0 }) };
}

function graphJobs(native, Tensor) {
  const sessions = new Map();
  return {
    open({ id, model, options }) {
      const session = new native.binding.InferenceSession();
      session.loadModel(model.buffer, model.byteOffset, model.byteLength, options);
      sessions.set(id, session);
      return 0;
    },
    /** Runs a graph on named arrays; its results by name. */
    call({ id, arguments: given, results }) {
      const feeds = Object.fromEntries(given.map(({ name, dtype, data, shape }) => [name, new Tensor(dtype, data, shape)]));
      const made = sessions.get(id).run(feeds, Object.fromEntries(results.map((name) => [name, null])), {});
      return Object.fromEntries(results.map((name) => [name, made[name].data]));
    },
    close({ id }) {
      sessions.get(id)?.dispose();
      sessions.delete(id);
      return 0;
    },
  };
}

function stepJobs(native, Tensor) {
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
    port.postMessage({ job: seen, value: jobs[job.kind](job) ?? 0 });
  } catch (error) {
    port.postMessage({ job: seen, error: String(error.message) });
  }
  Atomics.store(control, 1, seen);
  Atomics.notify(control, 1);
}
port.close();
