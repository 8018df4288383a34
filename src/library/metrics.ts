// Metrics of image generation on feature rows, with intervals: needs ml-matrix alone.
export * from '../metrics/confidence';
export * from '../metrics/features';
export * from '../metrics/fid';
export * from '../metrics/inception-score';
export * from '../metrics/kid';
export * from '../metrics/precision-recall';
export * from '../metrics/statistics';
