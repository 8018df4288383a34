export { type Compiled, type CompileOptions, compile, compileEnabled, type PlainArray } from './compile';
export { CompileError } from './errors';
export type { OnnxModel } from './onnx';
