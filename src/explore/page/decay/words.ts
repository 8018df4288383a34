import { readable } from '../words';
import type { DecayResult, StableDecay } from './compute';
import type { DecaySettings } from './settings';

/** Describes the two charts with their numbers. */
export function describeDecay(settings: DecaySettings, result: DecayResult): string {
  if (result.kind === 'unstable') {
    const { means, radius } = result;
    const last = means.length - 1;
    const change =
      means[0] > 0
        ? ` The mean condition goes from ${readable(means[0])} to ${readable(means[last])} in ${last} steps.`
        : '';
    return `The spectral radius is ${readable(radius)}: Assumption 4 is violated, there is no stationary law to decay to, and Theorem 2 says nothing.${change} Move β below 1.`;
  }
  const { norms, bound, floor, shiftRate, radius } = result;
  const worst = largestRatio(result);
  const last = norms.length - 1;
  const sentences = [
    `The gradient norm goes from ${readable(norms[0])} to ${readable(norms[last])}; the bound M βⁱ + m goes from ${readable(bound[0])} to ${readable(bound[last])} and ${worst <= 1 ? 'holds at every step' : 'is broken'}: the norm reaches at most ${Math.round(100 * worst)} % of it.`,
  ];
  if (bound[0] / norms[0] > 5) {
    sentences.push(
      `It is loose: ${readable(bound[0] / norms[0], 2)} times the norm at the start and ${readable(bound[last] / norms[last], 3)} times at the end, where it nears m = ${readable(floor)}.`,
    );
  }
  if (settings.start === 0)
    sentences.push(
      'The chain starts at rest, so there is nothing to decay: the norm only rises to its stationary value.',
    );
  else if (shiftRate !== undefined) {
    sentences.push(
      `What the start still causes falls by ${readable(shiftRate, 4)} per step; the spectral radius is ${readable(radius, 4)}.`,
    );
  }
  if (result.influence) {
    const { chain, held } = result.influence;
    sentences.push(
      `Fitted on paths, the influence of c₀ falls by ${readable(chain.beta.value)} [${readable(chain.beta.low)}, ${readable(chain.beta.high)}] per step in the chain, and by ${readable(held.beta.value, 4)} [${readable(held.beta.low, 4)}, ${readable(held.beta.high, 4)}] in a condition that is held: the control does not decay.`,
    );
  }
  return sentences.join(' ');
}

/** Largest gradient norm as a share of its bound. */
export function largestRatio({ norms, bound }: StableDecay): number {
  return norms.reduce((worst, norm, i) => Math.max(worst, norm / bound[i]), 0);
}
