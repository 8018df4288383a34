import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import type { ImageModel } from '../models/image-model';
import { type Figure, figure, PALETTE } from '../plots/figure';
import { arrows, dots, plane } from '../plots/plane';
import { groupRows } from '../refinement/grouping';
import type { IdealConditions } from '../refinement/ideal-conditions';
import { type OptimalTransportOptions, optimalTransportRefiner } from '../refinement/optimal-transport';
import { createGroup, type Observation, type Refined } from '../refinement/refiner';
import { rowMean, takeRows } from '../refinement/rows';
import { InvalidInputError } from '../runtime/errors';
import { foldIn, key } from '../runtime/random';

/** Conditions of one group before and after refinement, with the buffer, on two directions. */
export interface ConditionCloud {
  group: string;
  /** `[rows, width]` as the transformer made them. */
  conditions: Float32Array;
  /** `[rows, 2]` coordinates on the leading principal directions of the ideal law. */
  before: Float64Array;
  after: Float64Array;
  ideal: Float64Array;
  /** The conditions after each iteration, `before` first. */
  path: Float64Array[];
  /** The coupling of the first iteration `[rows, buffered]`, its mass one. */
  plan: { rows: number; buffered: number; values: Float64Array };
  /** Share of the ideal law's variance on the two directions. */
  share: number;
  summary: Record<string, string | number>;
}

/** Generates `perClass` images of each class, and refines the conditions of one group. @throws InvalidInputError for an unknown group. */
export async function oneGroup(
  model: ImageModel,
  ideal: IdealConditions,
  { perClass, group, options }: { perClass: number; group: string; options?: OptimalTransportOptions },
): Promise<ConditionCloud> {
  const law = ideal.law(group);
  if (!law) {
    throw new InvalidInputError('Group of conditions', {
      given: JSON.stringify(group),
      expected: `one of ${[...ideal.groups.keys()].slice(0, 3).join('; ')} ...`,
      remedy: 'Name a group of the buffer.',
    });
  }
  const { width, targets } = law;
  const own: number[] = [];
  const classes = 1 + Math.max(...[...ideal.groups.keys()].map((name) => Number(/class (\d+)/.exec(name)?.[1] ?? 0)));
  const latents = await model.generate({
    labels: Int32Array.from({ length: perClass * classes }, (_, i) => i % classes),
    key: foldIn(key(0), 'cloud'),
    hook: (at) => {
      const members = groupRows(at, ideal.grouping).get(group) ?? [];
      own.push(...takeRows(at.conditions.dataSync() as Float32Array, members, width));
      return at.conditions.clone();
    },
  });
  latents.dispose();
  const conditions = Float32Array.from(own);
  let transportCost = Number.NaN; // of the last coupling
  const path = [conditions];
  let plan = new Float64Array();
  const observe = ({ coupling, after }: Observation) => {
    transportCost = coupling?.cost ?? transportCost;
    if (plan.length === 0 && coupling) plan = Float64Array.from(coupling.plan);
    path.push(after);
  };
  const refined = optimalTransportRefiner(options)(createGroup(conditions, law, { observe }));
  const { project, share } = principalPlane(targets, width);
  return {
    group: `${model.name}, ${group}`,
    conditions,
    before: project(conditions),
    after: project(refined.conditions),
    ideal: project(targets),
    path: path.map(project),
    plan: { rows: conditions.length / width, buffered: law.count, values: plan },
    share,
    summary: { ...summaryOf(refined, conditions.length / width, law.count), transportCost },
  };
}

function summaryOf(
  { iterations, skipReason }: Refined,
  rows: number,
  buffered: number,
): Record<string, string | number> {
  const last = iterations[iterations.length - 1];
  return {
    rows,
    buffered,
    displacement: last?.displacement ?? 0,
    spread: last?.spread ?? Number.NaN,
    solver: last?.solver ?? skipReason ?? '',
  };
}

function principalPlane(rows: Float32Array, width: number) {
  const mean = rowMean(rows, width);
  const count = rows.length / width;
  const centred = new Matrix(count, width);
  rows.forEach((value, i) => centred.set(Math.floor(i / width), i % width, value - mean[i % width]));
  const covariance = centred.transpose().mmul(centred);
  const { realEigenvalues: values, eigenvectorMatrix: vectors } = new EigenvalueDecomposition(covariance, {
    assumeSymmetric: true,
  });
  const order = values.map((_, i) => i).sort((a, b) => values[b] - values[a]);
  const total = values.reduce((sum, value) => sum + value, 0);
  const project = (points: Float32Array) => {
    const out = new Float64Array((points.length / width) * 2);
    for (let row = 0; row < points.length / width; row++) {
      for (let axis = 0; axis < 2; axis++) {
        for (let k = 0; k < width; k++) {
          out[2 * row + axis] += (points[row * width + k] - mean[k]) * vectors.get(k, order[axis]);
        }
      }
    }
    return out;
  };
  return { project, share: (values[order[0]] + values[order[1]]) / total };
}

/** The coupling as a picture: rows of the buffer along x, conditions along y, both ordered along the first principal direction. */
export function planFigure({ group, before, ideal, plan }: ConditionCloud): Figure {
  const order = (points: Float64Array) =>
    Array.from({ length: points.length / 2 }, (_, i) => i).sort((a, b) => points[2 * a] - points[2 * b]);
  const [rows, columns] = [order(before), order(ideal)];
  const z = rows.map((i) => columns.map((j) => plan.values[i * plan.buffered + j] * plan.rows));
  return figure(
    [{ type: 'heatmap', z, colorscale: 'Viridis', colorbar: { title: { text: "share of a condition's mass" } } }],
    {
      title: `The coupling of ${group}`,
      x: 'conditions of the ideal law, by first principal direction',
      y: 'generated conditions, by the same',
      width: 640,
      height: 520,
    },
  );
}

/** The way of each condition through the iterations. */
export function trajectoryFigure({ group, path, ideal, share }: ConditionCloud): Figure {
  const reach = 1.05 * Math.max(...[...ideal, ...path.flatMap((points) => [...points])].map(Math.abs));
  const xs: (number | null)[] = [];
  const ys: (number | null)[] = [];
  for (let row = 0; row < path[0].length / 2; row++) {
    for (const points of path) {
      xs.push(points[2 * row]);
      ys.push(points[2 * row + 1]);
    }
    xs.push(null);
    ys.push(null);
  }
  const line = { color: '#bbbbbb', width: 1 };
  return plane(
    [
      dots('ideal law (buffer)', ideal, '#999999', 5, 0.4),
      { type: 'scatter', mode: 'lines', x: xs, y: ys, line, name: `${path.length - 1} iterations`, hoverinfo: 'skip' },
      dots('generated', path[0], PALETTE[0], 7, 0.9),
      dots('refined', path[path.length - 1], PALETTE[1], 7, 0.9),
    ],
    {
      title: `Trajectories of ${group}`,
      x: `first principal direction of the ideal law (both: ${(100 * share).toFixed(0)} % of its variance)`,
      y: 'second principal direction',
      window: { x: [-reach, reach], y: [-reach, reach], points: 2 },
    },
  );
}

/** The cloud as a picture. */
export function cloudFigure({ group, before, after, ideal, share }: ConditionCloud): Figure {
  const all = [...before, ...after, ...ideal];
  const reach = 1.05 * Math.max(...all.map(Math.abs));
  const pair = (points: Float64Array, row: number) => [points[2 * row], points[2 * row + 1]];
  const rows = Array.from({ length: before.length / 2 }, (_, row) => row);
  const moves = rows.map((row) => pair(after, row).map((value, axis) => value - pair(before, row)[axis]));
  return plane(
    [
      dots('ideal law (buffer)', ideal, '#999999', 6, 0.6),
      arrows(
        'refinement',
        rows.map((row) => pair(before, row)),
        moves,
        { color: '#cccccc', width: 1 },
      ),
      dots('generated', before, PALETTE[0], 8, 0.9),
      dots('refined', after, PALETTE[1], 8, 0.9),
    ],
    {
      title: `Conditions of ${group}`,
      x: `first principal direction of the ideal law (both: ${(100 * share).toFixed(0)} % of its variance)`,
      y: 'second principal direction',
      window: { x: [-reach, reach], y: [-reach, reach], points: 2 },
    },
  );
}
