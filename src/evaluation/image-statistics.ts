import type { ImageStream } from '../data/image-stream';
import type { Features } from '../metrics/features';
import type { InceptionScore } from '../metrics/inception-score';
import { type FeatureStatistics, StreamingStatistics } from '../metrics/statistics';
import { StreamingInceptionScore } from '../metrics/streaming-inception-score';
import { InvalidInputError } from '../runtime/errors';
import type { FeatureExtractor } from './feature-extractor';
import { imageKeys } from './image-keys';

/** What is kept of any number of images: memory O(dimension^2 + kept rows). */
export interface ImageDescription {
  /** Images that could be used. */
  count: number;
  statistics: FeatureStatistics;
  /** Features of images evenly spaced over the stream, at most as many as were asked for. */
  sample: Features;
  /** Undefined for fewer than `scoreNeeds` images. */
  score: InceptionScore | undefined;
  scoreNeeds: number;
}

/**
 * Runs all images of a stream through an extractor.
 * @param rows features that are kept at most
 * @throws InvalidInputError for fewer than two usable images.
 */
export async function describeImages(
  stream: ImageStream,
  extractor: FeatureExtractor,
  rows: number,
  onProgress?: (done: number, total: number) => void,
): Promise<ImageDescription> {
  const { dimension, classes } = extractor;
  const statistics = new StreamingStatistics(dimension);
  const score = new StreamingInceptionScore(classes);
  const every = Math.ceil(stream.count / rows);
  const kept: Float64Array[] = [];
  const pending: Features[] = [];
  let waiting = 0;
  const flush = () => {
    if (waiting > 0) statistics.add(stacked(pending, dimension));
    pending.length = waiting = 0;
  };
  let seen = 0;
  for await (const batch of stream.batches(extractor.batch)) {
    const { features, probabilities } = extractor.extract(batch);
    score.add(probabilities, imageKeys(batch.data, batch.count));
    for (let i = 0; i < features.count; i++, seen++) {
      if (seen % every === 0) kept.push(Float64Array.from(features.data.subarray(i * dimension, (i + 1) * dimension)));
    }
    pending.push(features);
    waiting += features.count;
    if (waiting >= TOGETHER) flush(); // each addition costs dimension^2 once more
    onProgress?.(seen, stream.count);
  }
  flush();
  if (seen < 2) {
    throw new InvalidInputError(`Images in ${stream.name}`, {
      given: `${seen} usable of ${stream.count}${stream.skipped[0] ? ` (${stream.skipped[0].file}: ${stream.skipped[0].reason})` : ''}`,
      expected: 'at least two images',
      remedy: 'Add images; --convert takes grey and CMYK ones too.',
    });
  }
  const sample: Features = { data: new Float64Array(kept.length * dimension), count: kept.length, dimension };
  kept.forEach((row, i) => {
    sample.data.set(row, i * dimension);
  });
  const { needed: scoreNeeds } = score;
  return { count: seen, statistics: statistics.finish(), sample, score: score.finish(), scoreNeeds };
}

/** Rows gathered before they are added to the statistics. */
const TOGETHER = 256;

function stacked(parts: readonly Features[], dimension: number): Features {
  const count = parts.reduce((sum, part) => sum + part.count, 0);
  const data = new Float64Array(count * dimension);
  let at = 0;
  for (const part of parts) {
    data.set(part.data, at);
    at += part.data.length;
  }
  return { data, count, dimension };
}
