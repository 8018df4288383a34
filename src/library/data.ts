// Image folders, procedural images, batches.
export * from '../data/dataset';
export * from '../data/image-folder';
export * from '../data/image-grid';
export * from '../data/procedural';
export * from '../data/resample';
