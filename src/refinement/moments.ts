import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import { InvalidInputError } from '../runtime/errors';
import { type PredictiveSubspace, predictiveSubspace } from '../theory/predictive-subspace';
import { centred } from './rows';

/** Share of the mean variance that is added to every direction before whitening, since small variances are poorly known. */
export const WHITENING_FLOOR = 0.05;

/** Second moments within groups, in float64, row-major, with the maps that follow from them. */
export class ConditionMoments {
  readonly rows: number;
  readonly width: number;
  /** 0 when the latents are not known. */
  readonly channels: number;
  /** `[width, width]` covariance of conditions. */
  readonly condition: Float64Array;
  /** `[width, channels]` and `[channels, channels]`; empty when the latents are not known. */
  readonly cross: Float64Array;
  readonly token: Float64Array;
  private whiteningMap?: Float64Array;
  private readonly subspaces = new Map<number, PredictiveSubspace>();

  constructor(
    given: Pick<ConditionMoments, 'rows' | 'width' | 'channels'> &
      Record<'condition' | 'cross' | 'token', Float64Array>,
  ) {
    ({ rows: this.rows, width: this.width, channels: this.channels } = given);
    ({ condition: this.condition, cross: this.cross, token: this.token } = given);
  }

  /** Total variance of the conditions within groups. */
  get variance(): number {
    let sum = 0;
    for (let k = 0; k < this.width; k++) sum += this.condition[k * (this.width + 1)];
    return sum;
  }

  /** `[width, width]` diag(variance + floor)^(-1/2) V^T. */
  get whitening(): Float64Array {
    this.whiteningMap ??= whitening(this);
    return this.whiteningMap;
  }

  /**
   * I* of Lemma 6: the leading canonical directions of a condition with its token.
   * @param share of the linear predictive information that is kept, in (0, 1]
   * @throws InvalidInputError when the latents are not known.
   */
  subspace(share = 0.99): PredictiveSubspace {
    const { rows, width, channels, condition, cross, token } = this;
    if (channels === 0) {
      throw new InvalidInputError('Predictive subspace of conditions', {
        given: 'covariances without tokens',
        expected: 'a law that has the latents of its targets',
        remedy: 'Use a buffer that keeps latents (`learnIdealLaw` makes one), or leave the option out.',
      });
    }
    const found =
      this.subspaces.get(share) ??
      predictiveSubspace(
        {
          condition: Matrix.from1DArray(width, width, condition),
          cross: Matrix.from1DArray(width, channels, cross),
          token: Matrix.from1DArray(channels, channels, token),
        },
        { share, samples: rows },
      );
    this.subspaces.set(share, found);
    return found;
  }
}

function whitening({ width, condition }: ConditionMoments): Float64Array {
  const eigen = new EigenvalueDecomposition(Matrix.from1DArray(width, width, condition), { assumeSymmetric: true });
  const mean = eigen.realEigenvalues.reduce((sum, value) => sum + Math.max(0, value), 0) / width;
  const map = new Float64Array(width * width);
  for (let a = 0; a < width; a++) {
    const variance = Math.max(0, eigen.realEigenvalues[a]) + WHITENING_FLOOR * mean;
    for (let b = 0; b < width; b++) map[a * width + b] = eigen.eigenvectorMatrix.get(b, a) / Math.sqrt(variance);
  }
  return map;
}

/** Covariances of conditions and latents within groups: each group is centred on its own mean, then all are pooled. */
export function pooledMoments(
  groups: readonly { targets: Float32Array; latents?: Float32Array }[],
  width: number,
): ConditionMoments {
  const withLatents = groups.length > 0 && groups.every(({ latents }) => latents?.length);
  const channels = withLatents ? (groups[0].latents?.length ?? 0) / (groups[0].targets.length / width) : 0;
  const condition = new Float64Array(width * width);
  const cross = new Float64Array(width * channels);
  const token = new Float64Array(channels * channels);
  let rows = 0;
  for (const { targets, latents } of groups) {
    rows += targets.length / width;
    const c = centred(targets, width);
    accumulate(condition, c, width, c, width);
    if (channels === 0 || !latents) continue;
    const x = centred(latents, channels);
    accumulate(cross, c, width, x, channels);
    accumulate(token, x, channels, x, channels);
  }
  const freedom = Math.max(1, rows - groups.length);
  for (const sums of [condition, cross, token]) for (let i = 0; i < sums.length; i++) sums[i] /= freedom;
  return new ConditionMoments({ rows, width, channels, condition, cross, token });
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
