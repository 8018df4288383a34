import * as tf from '@tensorflow/tfjs';

let done = false;

/**
 * Overrides the matrix products of the wasm backend so that a transposed operand is transposed first. The stock kernel
 * walks transposed operands against the memory order at about 1 GFLOPS, which makes every backward pass ten times slower.
 */
export function makeWasmTrainable(): void {
  if (done) return;
  done = true;
  for (const kernelName of ['BatchMatMul', '_FusedMatMul']) {
    const stock = tf.getKernel(kernelName, 'wasm');
    tf.unregisterKernel(kernelName, 'wasm');
    tf.registerKernel({
      ...stock,
      kernelFunc: (params) => {
        const { inputs, attrs } = params;
        const backend = params.backend as tf.KernelBackend;
        const flags = attrs as unknown as { transposeA: boolean; transposeB: boolean };
        const temporary: tf.TensorInfo[] = [];
        const straight = (x: tf.TensorInfo, transposed: boolean): tf.TensorInfo => {
          if (!transposed) return x;
          const rank = x.shape.length;
          const perm = x.shape.map((_, i) => (i < rank - 2 ? i : i === rank - 2 ? rank - 1 : rank - 2));
          const result = tf
            .getKernel('Transpose', 'wasm')
            .kernelFunc({ inputs: { x }, backend, attrs: { perm } }) as tf.TensorInfo;
          temporary.push(result);
          return result;
        };
        const result = stock.kernelFunc({
          inputs: {
            ...inputs,
            a: straight(inputs.a as tf.TensorInfo, flags.transposeA),
            b: straight(inputs.b as tf.TensorInfo, flags.transposeB),
          },
          backend,
          attrs: { ...attrs, transposeA: false, transposeB: false },
        });
        for (const x of temporary) backend.disposeData(x.dataId);
        return result;
      },
    });
  }
}
