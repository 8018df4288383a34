// Backends of TensorFlow.js and compilation to ONNX Runtime.

export * from '../compile';
export * from '../runtime/backend';
