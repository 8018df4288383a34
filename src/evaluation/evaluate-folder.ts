import type { SkippedFile } from '../data/image-folder';
import { imageStream } from '../data/image-stream';
import { type FidStatistics, readFidStatistics } from '../io/npz';
import { expectedCoverage } from '../metrics/density-coverage';
import { frechetDistance } from '../metrics/fid';
import { kid } from '../metrics/kid';
import { precisionRecall } from '../metrics/precision-recall';
import { InvalidInputError } from '../runtime/errors';
import { classifierExtractor, type FeatureExtractor, inceptionExtractor } from './feature-extractor';
import { describeImages, type ImageDescription } from './image-statistics';

/** One measured number; null where it was left out, and the note says why. */
export interface EvaluationRow {
  metric: string;
  value: number | null;
  /** Which way is better. */
  better: 'lower' | 'higher';
  note: string;
}

export interface EvaluationOptions {
  /** Real images: a folder, or `procedural:reference`, `:control`, `:train`. Default `procedural:reference`, none with `statistics`. */
  reference?: string;
  /** Mean and covariance of real features, `mu` and `sigma` in an .npz, as FID tools write them: FID is against these. */
  statistics?: string;
  /** Default `classifier`. */
  features?: 'classifier' | 'inception';
  /** Weights of the extractor. Needed for `inception`; default of `classifier`: the shipped ones. */
  weights?: string;
  /** Neighbours in precision, recall, density and coverage. Default 3. */
  neighbours?: number;
  /** Features kept of each side for what compares all pairs. Default 5000. */
  rows?: number;
  strict?: boolean;
  convert?: boolean;
  onProgress?: (what: string, done: number, total: number) => void;
}

const PAIRED = ['kid', 'precision', 'recall', 'density', 'coverage'] as const;

/** Opens the feature extractor that the options select. @throws InvalidInputError for inception without weights. */
export function openExtractor({ features = 'classifier', weights }: EvaluationOptions): FeatureExtractor {
  if (features === 'classifier') return classifierExtractor(weights);
  if (weights) return inceptionExtractor(weights);
  throw new InvalidInputError('Features of InceptionV3', {
    given: 'no weights',
    expected: 'a file of the FID weights (pt_inception-2015-12-05, .pth or .safetensors)',
    remedy: 'Name it with --weights, or use --features classifier.',
  });
}

/** What images are compared with: the option, else the procedural reference unless there are statistics. */
export function referenceOf({ reference, statistics }: EvaluationOptions): string | undefined {
  return reference ?? (statistics ? undefined : 'procedural:reference');
}

/**
 * Measures images against real ones, or against their statistics alone, in bounded memory: any number of images, of which `rows` are kept
 * for what compares all pairs.
 * @throws InvalidInputError for weights, statistics or images that do not fit.
 */
export async function evaluateImages(
  images: string,
  options: EvaluationOptions = {},
): Promise<{ rows: EvaluationRow[]; skipped: SkippedFile[] }> {
  const { neighbours = 3, rows = 5000, onProgress } = options;
  const extractor = openExtractor(options);
  try {
    const statistics = options.statistics ? statisticsFor(extractor, options.statistics) : undefined;
    const reference = referenceOf(options);
    const [generated, real] = [images, reference].map((what) =>
      what === undefined ? undefined : imageStream(what, { ...options, side: extractor.side }),
    );
    const fake = await describeImages(generated!, extractor, rows, (...at) => onProgress?.(images, ...at));
    const truth = real && (await describeImages(real, extractor, rows, (...at) => onProgress?.(reference!, ...at)));
    const { count, score, scoreNeeds } = fake;
    const against = options.statistics ?? `${truth!.count} images`;
    const measured: EvaluationRow[] = [
      {
        metric: 'fid',
        value: frechetDistance(statistics ?? truth!.statistics, fake.statistics).distance,
        better: 'lower',
        note: `${count} images against ${against}, ${extractor.name}${fewNote(count, extractor)}`,
      },
      ...pairedRows(extractor, fake, truth, neighbours),
      {
        metric: 'inception-score',
        value: score?.mean ?? null,
        better: 'higher',
        note: score
          ? `std ${score.std.toPrecision(3)} over ${score.perSplit.length} parts of ${count} images${boundNote(count / score.perSplit.length, extractor)}`
          : `not defined for ${count} images: it needs ${scoreNeeds}, two in each of its parts`,
      },
    ];
    return { rows: measured, skipped: [...generated!.skipped, ...(real?.skipped ?? [])] };
  } finally {
    extractor.dispose();
  }
}

function fewNote(count: number, { dimension }: FeatureExtractor): string {
  return count <= dimension ? `; biased upwards: ${count} images leave a covariance of ${dimension} singular` : '';
}

/** A part of n images scores n at most. */
function boundNote(perPart: number, { classes }: FeatureExtractor): string {
  return perPart < classes ? `; at most ${Number(perPart.toPrecision(3))}, the number of images in a part` : '';
}

function pairedRows(
  { name }: FeatureExtractor,
  fake: ImageDescription,
  truth: ImageDescription | undefined,
  neighbours: number,
): EvaluationRow[] {
  const better = (metric: string) => (metric === 'kid' ? ('lower' as const) : ('higher' as const));
  if (!truth) {
    const note = 'left out: it needs features of real images, not their statistics (give --reference too)';
    return PAIRED.map((metric) => ({ metric, value: null, better: better(metric), note }));
  }
  const [a, b] = [truth.sample, fake.sample];
  const shares = precisionRecall(a, b, neighbours);
  const values = { kid: kid(a, b).unbiased, ...shares };
  const note = `${b.count} images against ${a.count}, ${name}`;
  const balls = `${note}, ${neighbours} neighbours`;
  const attainable = `${balls}; ${expectedCoverage(a.count, b.count, neighbours).toPrecision(3)} for equal laws`;
  return PAIRED.map((metric) => ({
    metric,
    value: values[metric],
    better: better(metric),
    note: metric === 'kid' ? note : metric === 'coverage' ? attainable : balls,
  }));
}

/** Statistics that fit the extractor. @throws InvalidInputError naming the file. */
function statisticsFor({ name, dimension }: FeatureExtractor, path: string): FidStatistics {
  const statistics = readFidStatistics(path);
  const refuse = (given: string, expected: string, remedy: string) =>
    new InvalidInputError(`Statistics in ${path}`, { given, expected, remedy });
  if (statistics.dimension !== dimension) {
    throw refuse(
      `mu of ${statistics.dimension} numbers`,
      `${dimension}, as ${name} have`,
      'Use statistics of the same features, or change --features.',
    );
  }
  const { mean, covariance } = statistics;
  const isUsable = [mean, covariance].every((numbers) => numbers.every((x) => Number.isFinite(x)));
  if (!isUsable || mean.some((_, i) => covariance[i * (dimension + 1)] < 0)) {
    throw refuse('numbers that are not finite, or negative variances', 'a mean and a covariance', 'Compute it anew.');
  }
  return statistics;
}
