// Files: safetensors, PyTorch checkpoints read safely, NumPy archives.
export * from '../io/npz';
export * from '../io/parameters';
export * from '../io/safetensors';
export * from '../io/tensor-record';
export * from '../io/torch-checkpoint';
export * from '../io/weight-file';
