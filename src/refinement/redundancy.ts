import { Matrix } from 'ml-matrix';
import { redundantEnergy } from '../theory/inconsistency';
import { groupOf } from './grouping';
import type { IdealConditions } from './ideal-conditions';
import { takeRows } from './rows';

/** Lemma 6 at one AR step: energies of conditions outside I*, in units of the ideal law's variance within classes. */
export interface Redundancy {
  /** E||eta||^2 of these conditions. */
  redundant: number;
  /** Its part that is a linear function of the eta with which the step before was left, and the rest. */
  carried: number;
  injected: number;
}

/** Before and after a refinement, by the same projection. */
export interface StepRedundancy {
  /** Dimension of I*: the directions of the ideal law's conditions that predict their tokens. */
  dimension: number;
  before: Redundancy;
  after: Redundancy;
  /** E||eta||^2 of the ideal law. */
  ideal: number;
}

/** Rows of one AR step as a refinement found and left them. */
export interface StepRows {
  step: number;
  samples: ArrayLike<number>;
  classes: ArrayLike<number>;
  positions: ArrayLike<number>;
  /** `[rows, width]` */
  before: Float32Array;
  after: Float32Array;
}

/**
 * Condition inconsistency (Lemma 6) of one AR step, on the first token that each image gets in it. Undefined where it cannot be told: a
 * buffer that is not grouped by class and position or has no latents, no step before, one condition for a whole class, or
 * too few images for the regression on the step before (four per direction outside I*).
 */
export function stepRedundancy(
  ideal: IdealConditions,
  previous: StepRows | undefined,
  now: StepRows,
): StepRedundancy | undefined {
  if (!previous || !['class-position-step', 'class-position'].includes(ideal.grouping) || !ideal.channels)
    return undefined;
  const [here, there] = [outside(ideal, now), outside(ideal, previous)];
  if (!here || !there || here.images.join() !== there.images.join()) return undefined;
  const freedom = here.images.length - here.classes;
  const rank = ideal.width - there.dimension;
  if (here.images.length < 4 * rank) return undefined;
  const eta = there.eta('after');
  const of = (side: Side): Redundancy => {
    const { redundant, carried, injected } = redundantEnergy(here.eta(side), eta, { rank, freedom });
    return {
      redundant: redundant / here.variance,
      carried: carried / here.variance,
      injected: injected / here.variance,
    };
  };
  return { dimension: here.dimension, before: of('before'), after: of('after'), ideal: here.ideal / here.variance };
}

type Side = 'before' | 'after';

/** The part outside I* of the first token of each image. */
interface Outside {
  images: number[];
  classes: number;
  dimension: number;
  /** Total variance of the ideal law within classes, and that outside I*. */
  variance: number;
  ideal: number;
  /** `[images, width]`, each class about its own mean. */
  eta(side: Side): Matrix;
}

function outside(
  ideal: IdealConditions,
  { step, samples, classes, positions, ...rows }: StepRows,
): Outside | undefined {
  const first = new Map<number, number>();
  for (let row = 0; row < samples.length; row++) if (!first.has(samples[row])) first.set(samples[row], row);
  const images = [...first.keys()];
  const [{ position, label }] = images.map((image) => {
    const row = first.get(image) as number;
    return { position: positions[row], label: classes[row] };
  });
  const moments = ideal.law(groupOf(ideal.grouping, { class: label, position, step }))?.moments;
  if (!moments || !(moments.variance > 1e-10)) return undefined;
  const { width, variance } = moments;
  const { projection, dimension } = moments.subspace();
  const residual = Matrix.eye(width, width).sub(projection);
  const condition = Matrix.from1DArray(width, width, moments.condition);
  const members = new Map<number, number[]>();
  images.forEach((image, i) => {
    const own = classes[first.get(image) as number];
    members.set(own, [...(members.get(own) ?? []), i]);
  });
  return {
    images,
    classes: members.size,
    dimension,
    variance,
    ideal: residual.mmul(condition).mmul(residual.transpose()).trace(),
    eta: (side) => {
      const own = takeRows(rows[side], [...first.values()], width);
      const matrix = Matrix.from1DArray(images.length, width, own);
      for (const ofClass of members.values()) {
        for (let k = 0; k < width; k++) {
          const mean = ofClass.reduce((sum, i) => sum + matrix.get(i, k), 0) / ofClass.length;
          for (const i of ofClass) matrix.set(i, k, matrix.get(i, k) - mean);
        }
      }
      return matrix.mmul(residual.transpose());
    },
  };
}
