import { InvalidInputError } from '../runtime/errors';
import { type IdealConditions, samplesOf } from './ideal-conditions';
import { mlpFit } from './inverse-mlp';
import { type InverseFit, type InverseProcess, measuredProcess, ridgeFit } from './inverse-process';
import { rowMean } from './refiner';

/** T^-1 as the buffer gives it: it holds conditions and the latents that they speak of, so that nothing else need be kept. */
export interface InverseOptions {
  /** `ridge` (closed form) or `mlp`. */
  kind: 'ridge' | 'mlp';
  /**
   * `global` (default): one map for all tokens. `group`: each group keeps its own means and all share one map of what differs from
   * them, r = mean condition of the group + f(z - mean latent of the group), so that class and position need not be read off z.
   */
  scope?: 'global' | 'group';
}

/** Rows that T^-1 is fitted to: many times its few hundred coefficients. */
const FIT_ROWS = 8000;

const made = new WeakMap<IdealConditions, Map<string, { seen: number; process: InverseProcess }>>();

/**
 * Fits T^-1 to the pairs of a buffer (once, until rows are added).
 * @throws InvalidInputError for a buffer that keeps no latents.
 */
export function inverseOfBuffer(buffer: IdealConditions, { kind, scope = 'global' }: InverseOptions): InverseProcess {
  const seen = [...buffer.groups.values()].reduce((sum, group) => sum + group.seen, 0);
  const fits = made.get(buffer) ?? new Map<string, { seen: number; process: InverseProcess }>();
  made.set(buffer, fits);
  const before = fits.get(`${kind} ${scope}`);
  if (before?.seen === seen) return before.process;
  const process = fitted(buffer, kind === 'ridge' ? ridgeFit() : mlpFit(), scope);
  fits.set(`${kind} ${scope}`, { seen, process });
  return process;
}

function fitted(buffer: IdealConditions, fit: InverseFit, scope: 'global' | 'group'): InverseProcess {
  const { width, channels, groups } = buffer;
  if (!channels) {
    throw new InvalidInputError('Inverse process', {
      given: 'a buffer without latents',
      expected: 'a buffer that keeps the token latents beside the conditions',
      remedy: 'Make the buffer with `channels` (`learnIdealLaw` does).',
    });
  }
  const parts = [...groups.keys()].flatMap((name) => {
    const samples = samplesOf(buffer, name);
    return samples?.latents ? [{ name, targets: samples.targets, latents: samples.latents }] : [];
  });
  const means = new Map(
    parts.map(({ name, targets, latents }) => [name, { c: rowMean(targets, width), z: rowMean(latents, channels) }]),
  );
  const rows = parts.reduce((sum, { targets }) => sum + targets.length / width, 0);
  const stride = Math.max(1, Math.ceil(rows / FIT_ROWS));
  const latents: number[] = [];
  const conditions: number[] = [];
  let row = 0;
  for (const part of parts) {
    const mean = means.get(part.name)!;
    for (let i = 0; i < part.targets.length / width; i++, row++) {
      if (row % stride !== 0) continue;
      for (let k = 0; k < channels; k++) {
        latents.push(part.latents[i * channels + k] - (scope === 'group' ? mean.z[k] : 0));
      }
      for (let k = 0; k < width; k++) {
        conditions.push(part.targets[i * width + k] - (scope === 'group' ? mean.c[k] : 0));
      }
    }
  }
  const pairs = { latents: Float32Array.from(latents), channels, conditions: Float32Array.from(conditions), width };
  const process = measuredProcess(pairs, fit);
  if (scope === 'global') return process;
  return {
    ...process,
    apply: (given, name) => {
      const mean = name === undefined ? undefined : means.get(name);
      if (!mean) {
        throw new InvalidInputError('Inverse process within groups', {
          given: name === undefined ? 'no group' : `group ${name}`,
          expected: 'a group of the buffer that it was fitted to',
          remedy: "Name the rows' group, or use the scope 'global'.",
        });
      }
      const residuals = process.apply(given.map((value, i) => value - mean.z[i % channels]));
      return residuals.map((value, i) => value + mean.c[i % width]);
    },
  };
}
