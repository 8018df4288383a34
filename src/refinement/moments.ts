import { type IdealConditions, samplesOf } from './ideal-conditions';
import { type ConditionMoments, lawMean, rowMean } from './refiner';

/** Rows of conditions with the latents that they speak of, from one group. */
interface Rows {
  targets: Float32Array;
  latents?: Float32Array;
}

/** Covariances of conditions and latents within groups: each group is centred on its own mean, then all are pooled. */
export function pooledMoments(groups: readonly Rows[], width: number): ConditionMoments {
  const withLatents = groups.every(({ latents }) => latents?.length);
  const channels = withLatents && groups.length > 0 ? rowLength(groups[0], width) : 0;
  const condition = new Float64Array(width * width);
  const cross = new Float64Array(width * channels);
  const token = new Float64Array(channels * channels);
  let rows = 0;
  for (const { targets, latents } of groups) {
    rows += targets.length / width;
    const c = centred(targets, width);
    const x = channels ? centred(latents as Float32Array, channels) : c;
    accumulate(condition, c, width, c, width);
    if (!channels) continue;
    accumulate(cross, c, width, x, channels);
    accumulate(token, x, channels, x, channels);
  }
  const freedom = Math.max(1, rows - groups.length);
  for (const sums of [condition, cross, token]) for (let i = 0; i < sums.length; i++) sums[i] /= freedom;
  return { rows, width, channels, condition, cross, token };
}

const made = new WeakMap<IdealConditions, Map<string, { seen: number; moments: ConditionMoments }>>();

/**
 * Moments for a group of a buffer, pooled over the groups that differ from it in class alone: a hundred rows of one class do
 * not show a covariance in 64 dimensions, a thousand of ten classes do.
 */
export function momentsFor(buffer: IdealConditions, name: string): ConditionMoments {
  const kind = withoutClass(name);
  const names = [...buffer.groups.keys()].filter((other) => withoutClass(other) === kind);
  const seen = names.reduce((sum, other) => sum + (buffer.groups.get(other)?.seen ?? 0), 0);
  const ofBuffer = made.get(buffer) ?? new Map<string, { seen: number; moments: ConditionMoments }>();
  made.set(buffer, ofBuffer);
  const before = ofBuffer.get(kind);
  if (before?.seen === seen) return before.moments;
  const moments = pooledMoments(
    names.flatMap((other) => samplesOf(buffer, other) ?? []),
    buffer.width,
  );
  ofBuffer.set(kind, { seen, moments });
  return moments;
}

/** Means `[width]` of the groups that differ from this one in class alone. */
export function otherClassMeans(buffer: IdealConditions, name: string): Float64Array[] {
  const kind = withoutClass(name);
  return [...buffer.groups.keys()]
    .filter((other) => other !== name && withoutClass(other) === kind)
    .flatMap((other) => {
      const samples = samplesOf(buffer, other);
      return samples ? [lawMean(samples.targets, buffer.width)] : [];
    });
}

function withoutClass(name: string): string {
  return name.replace(/class \d+/, 'class');
}

function rowLength({ targets, latents }: Rows, width: number): number {
  return (latents as Float32Array).length / (targets.length / width);
}

function centred(rows: Float32Array, width: number): Float64Array {
  const mean = rowMean(rows, width);
  return Float64Array.from(rows, (value, i) => value - mean[i % width]);
}

/** sums[a, b] += sum over rows of x[row, a] y[row, b]. */
function accumulate(sums: Float64Array, x: Float64Array, xWidth: number, y: Float64Array, yWidth: number): void {
  for (let row = 0; row < x.length / xWidth; row++) {
    for (let a = 0; a < xWidth; a++) {
      const value = x[row * xWidth + a];
      for (let b = 0; b < yWidth; b++) sums[a * yWidth + b] += value * y[row * yWidth + b];
    }
  }
}
