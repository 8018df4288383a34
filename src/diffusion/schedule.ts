import { InvalidInputError } from '../runtime/errors';

export type NoiseSchedule = 'cosine' | 'linear';

/**
 * Betas of a noise schedule in float64, one per diffusion step, each in (0, 0.999].
 *
 * - `cosine`: from abar(u) = cos^2((u + 0.008) / 1.008 * pi / 2), capped at 0.999 (Nichol and Dhariwal 2021).
 * - `linear`: from 1e-4 to 0.02, both scaled by 1000 / steps (Ho et al. 2020).
 * @throws InvalidInputError for an unknown schedule or a number of steps that is not a positive integer.
 */
export function betaSchedule(schedule: NoiseSchedule, steps: number): Float64Array {
  if (!Number.isInteger(steps) || steps < 1) {
    throw new InvalidInputError('Noise schedule', {
      given: `steps = ${steps}`,
      expected: 'a positive integer',
      remedy: 'The reference trains with 1000 steps.',
    });
  }
  if (schedule === 'cosine') return cosineBetas(steps);
  if (schedule === 'linear') return linearBetas(steps);
  throw new InvalidInputError('Noise schedule', {
    given: JSON.stringify(schedule),
    expected: 'cosine or linear',
    remedy: 'The reference uses cosine.',
  });
}

function cosineBetas(steps: number): Float64Array {
  const alphaBar = (u: number) => Math.cos((((u + 0.008) / 1.008) * Math.PI) / 2) ** 2;
  return Float64Array.from({ length: steps }, (_, i) =>
    Math.min(1 - alphaBar((i + 1) / steps) / alphaBar(i / steps), 0.999),
  );
}

function linearBetas(steps: number): Float64Array {
  const scale = 1000 / steps;
  const first = scale * 1e-4;
  const last = scale * 0.02;
  return Float64Array.from({ length: steps }, (_, i) =>
    steps === 1 ? first : i === steps - 1 ? last : first + (i * (last - first)) / (steps - 1),
  );
}
