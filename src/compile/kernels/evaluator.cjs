// Runs compiled losses over flat memory: weights are read from it, gradients written into it. One for each thread; the main
// thread and the helpers (worker.cjs) share this file.
'use strict';

/**
 * @param native ONNX Runtime's binding, @param Tensor its tensors
 * @param memory Float32Array, @param size floats of all weights; the weights are its first `size` floats
 * @param slot where this thread's gradients are: `memory[slot * size ..]`
 */
function createEvaluator({ native, Tensor, memory, size, slot }) {
  const direct = withoutSharing(memory);
  const weights = direct ? direct.subarray(0, size) : new Float32Array(size);
  const gradients = direct ? direct.subarray(slot * size, (slot + 1) * size) : new Float32Array(size);
  const sessions = new Map();
  const tensors = (array, places) =>
    Object.fromEntries(
      places.map(({ name, offset, length, shape }) => [
        name,
        new Tensor('float32', array.subarray(offset, offset + length), shape),
      ]),
    );
  return {
    /** Loads a graph with inputs `reads` and `batch.*`, outputs `loss` and `writes`; `idle` are places without a gradient. */
    load({ id, model, options, reads, writes, idle }) {
      const session = new native.binding.InferenceSession();
      session.loadModel(model.buffer, model.byteOffset, model.byteLength, options);
      const loss = new Float32Array(1);
      const fetches = { loss: new Tensor('float32', loss, []), ...tensors(gradients, writes) };
      sessions.set(id, { session, feeds: tensors(weights, reads), fetches, loss, idle });
    },
    /** The loss of a batch, a list of named arrays; its gradients are in memory afterwards. */
    run({ id, batch }) {
      const { session, feeds, fetches, loss, idle } = sessions.get(id);
      const all = { ...feeds };
      for (const { name, dtype, data, shape } of batch) all[name] = new Tensor(dtype, data, shape);
      for (const { offset, length } of idle) gradients.fill(0, offset, offset + length);
      if (!direct) weights.set(memory.subarray(0, size));
      session.run(all, fetches, {});
      if (!direct) memory.set(gradients, slot * size);
      return loss[0];
    },
    dispose() {
      for (const { session } of sessions.values()) session.dispose();
      sessions.clear();
    },
  };
}

/**
 * The same memory as an array that does not look shared, since ONNX Runtime's binding refuses memory that threads share. It is valid as
 * long as `memory` is. Undefined without koffi, an optional package: then weights are copied in and gradients out at every run.
 */
function withoutSharing(memory) {
  if (!(memory.buffer instanceof SharedArrayBuffer)) return memory;
  try {
    return new Float32Array(require('koffi').view(memory, memory.byteLength));
  } catch {
    return undefined;
  }
}

module.exports = { createEvaluator };
