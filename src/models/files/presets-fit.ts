import { InvalidInputError } from '../../runtime/errors';
import { type ModelSpec, PRESETS, shapesOf } from '../presets';

/** How the weights that a file has differ from those that a model needs. */
export interface WeightDifferences {
  missing: string[];
  unexpected: string[];
  misshapen: { name: string; given: readonly number[]; expected: readonly number[] }[];
}

type ShapeTable = ReadonlyMap<string, readonly number[]>;

/** Compares names and shapes. */
export function compareShapes(given: ShapeTable, expected: ShapeTable): WeightDifferences {
  const misshapen: WeightDifferences['misshapen'] = [];
  for (const [name, shape] of expected) {
    const found = given.get(name);
    if (found && found.join() !== shape.join()) misshapen.push({ name, given: found, expected: shape });
  }
  return {
    missing: [...expected.keys()].filter((name) => !given.has(name)),
    unexpected: [...given.keys()].filter((name) => !expected.has(name)),
    misshapen,
  };
}

/** The number of differing names. */
export function differenceCount({ missing, unexpected, misshapen }: WeightDifferences): number {
  return missing.length + unexpected.length + misshapen.length;
}

/** The preset that fits a shape table exactly, or the nearest one with its differences. */
export function nearestPreset(given: ShapeTable): { name: string; differences: WeightDifferences } {
  let best: { name: string; differences: WeightDifferences } | undefined;
  for (const [name, preset] of PRESETS) {
    const differences = compareShapes(given, shapesOf(preset));
    if (!best || differenceCount(differences) < differenceCount(best.differences)) best = { name, differences };
  }
  return best as NonNullable<typeof best>;
}

/**
 * Checks that a file's weights are exactly those of a model.
 * @throws InvalidInputError with every missing, unexpected and misshapen name at once, and what to try.
 */
export function requireFit(what: string, given: ShapeTable, spec: ModelSpec): void {
  const differences = compareShapes(given, shapesOf(spec));
  if (differenceCount(differences) === 0) return;
  throw new InvalidInputError(what, {
    given: describeDifferences(differences),
    expected: `exactly the ${shapesOf(spec).size} weights of the model`,
    remedy: suggestion(given, differences),
  });
}

/** All differences in words. */
export function describeDifferences({ missing, unexpected, misshapen }: WeightDifferences): string {
  const parts: string[] = [];
  if (missing.length > 0) parts.push(`${missing.length} missing (${missing.join(', ')})`);
  if (unexpected.length > 0) parts.push(`${unexpected.length} unexpected (${unexpected.join(', ')})`);
  const shapes = misshapen.map(({ name, given, expected }) => `${name}: [${given}] instead of [${expected}]`);
  if (shapes.length > 0) parts.push(`${shapes.length} of another shape (${shapes.join(', ')})`);
  return parts.join('; ') || 'no difference';
}

/** What is likely wrong: another preset, a wrapper's prefix, or another kind of file. */
function suggestion(given: ShapeTable, { missing, unexpected }: WeightDifferences): string {
  const nearest = nearestPreset(given);
  const count = differenceCount(nearest.differences);
  if (count === 0) return `These are the weights of the preset ${nearest.name}: use --preset ${nearest.name}.`;
  const prefix = commonPrefix(unexpected);
  if (prefix && missing.some((name) => given.has(`${prefix}${name}`))) {
    return `Every name begins with "${prefix}", as wrappers of PyTorch leave it: save the state dict of the model inside.`;
  }
  if (count < given.size / 2) return `The nearest preset is ${nearest.name}, with ${count} differences.`;
  return 'No preset is near: `cer inspect FILE` shows what the file holds.';
}

/** Prefixes of wrappers (parallel, compiled, Lightning) that all names share, one after the other in any order. */
function commonPrefix(names: readonly string[]): string {
  let prefix = '';
  for (;;) {
    const next = ['module.', 'model.', '_orig_mod.', 'net.'].find(
      (start) => names.length > 0 && names.every((name) => name.startsWith(prefix + start)),
    );
    if (!next) return prefix;
    prefix += next;
  }
}
