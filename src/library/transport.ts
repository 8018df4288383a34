// Optimal transport: needs ml-matrix alone, in Node and in browsers.
export * from '../transport';
