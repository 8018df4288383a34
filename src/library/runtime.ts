// Backends of TensorFlow.js and compilation to ONNX Runtime.
export * from '../runtime/backend';
export * from '../runtime/compile';
