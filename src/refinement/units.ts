import type { ConditionStep } from '../models/conditions';
import { InvalidInputError } from '../runtime/errors';
import { groupOf, type IdealConditions, type IdealSamples, samplesOf, withoutPosition } from './ideal-conditions';
import { otherClassMeans } from './moments';

/**
 * What a point of the transport is. `token` (default): the condition of one token; the tokens that an image gets in one AR step go their
 * own ways. `image`: all of them side by side, so that they move towards the same real images (MAR generates several in a step).
 */
export const UNITS = ['token', 'image'] as const;
export type TransportUnit = (typeof UNITS)[number];

/** Rows of an AR step that are refined together: point i is row `rows[i]` of every part, side by side. */
export interface Unit {
  name: string;
  /** Groups of the buffer with the rows of the step that belong to them. */
  parts: { name: string; rows: number[] }[];
}

/**
 * The units of an AR step.
 * @throws InvalidInputError for the unit `image` where the images of a class do not all get the same tokens.
 */
export function unitsOf(ideal: IdealConditions, at: ConditionStep, unit: TransportUnit): Unit[] {
  // A name is put together once for all rows of an origin: there are thousands of rows.
  const origins = new Map<number, Map<number, number[]>>();
  at.classes.forEach((label, row) => {
    const ofClass = origins.get(label) ?? new Map<number, number[]>();
    origins.set(label, ofClass);
    const members = ofClass.get(at.positions[row]);
    if (members) members.push(row);
    else ofClass.set(at.positions[row], [row]);
  });
  const groups = new Map<string, number[]>();
  for (const [label, ofClass] of origins) {
    for (const [position, rows] of ofClass) {
      const name = groupOf(ideal.grouping, { class: label, position, step: at.step });
      const others = groups.get(name);
      groups.set(name, others ? [...others, ...rows].sort((a, b) => a - b) : rows);
    }
  }
  if (unit === 'token') return [...groups].map(([name, rows]) => ({ name, parts: [{ name, rows }] }));
  const units = new Map<string, Unit>();
  for (const [name, rows] of groups) {
    const joint = withoutPosition(name) || 'all';
    const found = units.get(joint);
    const part = { name, rows };
    if (!found) units.set(joint, { name: joint, parts: [part] });
    else if (sameImages(at, found.parts[0].rows, rows)) found.parts.push(part);
    else throw notShared('images of one class that get different tokens in a step');
  }
  return [...units.values()];
}

function sameImages({ samples }: ConditionStep, a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((row, i) => samples[row] === samples[b[i]]);
}

/** Numbers of each point side by side, `[points, parts x each]`, from rows `[all, each]`. */
export function gathered<A extends Float32Array | Uint8Array>(rows: A, { parts }: Unit, each: number): A {
  const out = rows.slice(0, parts[0].rows.length * parts.length * each) as A;
  parts.forEach((part, p) => {
    for (let point = 0; point < part.rows.length; point++) {
      const [from, to] = [part.rows[point] * each, (point * parts.length + p) * each];
      for (let k = 0; k < each; k++) out[to + k] = rows[from + k]; // rows are short: a call for each would take longer
    }
  });
  return out;
}

/** Writes points back into the rows that they are made of. */
export function scatter(points: Float32Array, { parts }: Unit, each: number, rows: Float32Array): void {
  parts.forEach((part, p) => {
    for (let point = 0; point < part.rows.length; point++) {
      const [to, from] = [part.rows[point] * each, (point * parts.length + p) * each];
      for (let k = 0; k < each; k++) rows[to + k] = points[from + k];
    }
  });
}

/** Applies a function of the rows of one group to each part of points, and puts what comes out side by side. */
export function eachPart(
  points: Float32Array,
  { parts }: Unit,
  apply: (rows: Float32Array, group: string) => Float32Array,
): Float32Array {
  if (parts.length === 1) return apply(points, parts[0].name);
  const count = parts[0].rows.length;
  const each = points.length / (count * parts.length);
  const local = { name: '', parts: parts.map((_, part) => ({ name: '', rows: strided(count, part, parts.length) })) };
  const done = parts.map(({ name }, part) => apply(gathered(points, { name, parts: [local.parts[part]] }, each), name));
  const width = done[0].length / count;
  const out = new Float32Array(count * parts.length * width);
  done.forEach((rows, part) => {
    scatter(rows, { name: '', parts: [local.parts[part]] }, width, out);
  });
  return out;
}

const strided = (count: number, first: number, step: number) =>
  Array.from({ length: count }, (_, i) => first + i * step);

const joined = new WeakMap<Float32Array, Map<string, IdealSamples>>();

/**
 * Samples of the ideal law of a unit, parts side by side; undefined where the buffer has none. The same object as long as no row is
 * offered.
 * @throws InvalidInputError where parts have different numbers of rows: their rows are then not of the same images.
 */
export function lawOf(ideal: IdealConditions, { name, parts }: Unit): IdealSamples | undefined {
  const all = parts.flatMap((part) => samplesOf(ideal, part.name) ?? []);
  if (all.length < parts.length) return undefined;
  const [first] = all;
  if (parts.length === 1) return first;
  const kept = joined.get(first.targets) ?? new Map<string, IdealSamples>();
  joined.set(first.targets, kept);
  const key = `${name} ${parts.map((part) => part.name).join()}`;
  const found = kept.get(key);
  if (found) return found;
  const seen = parts.map((part) => ideal.groups.get(part.name)?.seen);
  if (seen.some((count) => count !== seen[0])) throw notShared('a buffer with different numbers of rows per position');
  const rows = first.targets.length / ideal.width;
  const beside = (each: number, of: (samples: IdealSamples) => Float32Array | undefined) => {
    const sides = all.flatMap((samples) => of(samples) ?? []);
    if (sides.length < all.length) return undefined;
    const out = new Float32Array(rows * each * sides.length);
    sides.forEach((side, part) => {
      for (let row = 0; row < rows; row++) {
        out.set(side.subarray(row * each, (row + 1) * each), (row * sides.length + part) * each);
      }
    });
    return out;
  };
  const latents = ideal.channels ? beside(ideal.channels, (samples) => samples.latents) : undefined;
  const made: IdealSamples = {
    targets: beside(ideal.width, (samples) => samples.targets) as Float32Array,
    ...(latents ? { latents } : {}),
    ...(first.known ? { known: first.known } : {}), // of one step: the same for all parts
  };
  kept.set(key, made);
  return made;
}

/** Means of the other classes' targets, parts side by side; classes that lack a part are left out by taking none. */
export function otherMeansOf(ideal: IdealConditions, { parts }: Unit): Float64Array[] {
  const all = parts.map((part) => otherClassMeans(ideal, part.name));
  if (all.length === 1) return all[0];
  if (all.some((means) => means.length !== all[0].length)) return [];
  return all[0].map((_, k) => Float64Array.from(all.flatMap((means) => [...means[k]])));
}

function notShared(given: string): InvalidInputError {
  return new InvalidInputError("Refinement, unit 'image'", {
    given,
    expected: 'one order of tokens for all images, and a buffer grouped by position',
    remedy: "Give all images the same order (MAR: orders 'shared'), or set unit to 'token'.",
  });
}
