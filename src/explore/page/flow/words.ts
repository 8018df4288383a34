import { readable } from '../words';
import type { FlowFrame, FlowScene } from './compute';
import type { FlowSettings } from './settings';

/** Describes step `k` with its numbers, in a few sentences. */
export function describeFlow(
  settings: FlowSettings,
  scene: FlowScene,
  frames: readonly FlowFrame[],
  k: number,
): string {
  const { steps, lambda, epsilon, debiased, scheme, eta } = settings;
  const { distance, links, status } = frames[k];
  const promised = frames[0].distance * scene.rate ** k;
  const ratio = distance / promised;
  const sentences = [
    k === 0
      ? `${settings.points} conditions at the start: W₂ to the ideal law is ${readable(distance)}.`
      : `After step ${k} of ${steps}, W₂ to the ideal law is ${readable(distance)}; ρᵏ W₂ at the start is ${readable(promised)} (ρ = ${readable(scene.rate)}).`,
  ];
  if (k > 0) sentences.push(...explanation());
  sentences.push(
    `Each condition divides itself among about ${readable(links.spread, 2)} ideal ones; the lines drawn carry ${Math.round(100 * links.covered)} % of the mass.`,
  );
  if (status !== 'converged') {
    sentences.push(`Sinkhorn stopped after ${frames[k].iterations} iterations, before its tolerance (${status}).`);
  }
  return sentences.join(' ');

  function explanation(): string[] {
    if (scheme === 'euler' && eta > 1) {
      return [
        'With η > 1 an explicit step overshoots by more than what was missing: the centre of the cloud moves away, and matching it again corrects only the rest.',
      ];
    }
    if (lambda > 0) {
      return [
        `λ holds each condition near its T⁻¹(x): the flow does not end at the ideal law but about ${readable(scene.bias)} away from it.`,
      ];
    }
    if (scheme === 'euler' && eta > 0.5) {
      return ['With η above ½ an explicit step overshoots its target; the next plan corrects that.'];
    }
    if (ratio > 1.1 && !debiased) {
      return [
        `That is ${readable(ratio, 2)} times as much as Theorem 3 promises: with ε = ${epsilon} × mean cost the plan is blurred, its averages lie inside the ideal cloud, and the flow shrinks.`,
      ];
    }
    if (ratio > 1.1) {
      return [
        `That is ${readable(ratio, 2)} times as much as Theorem 3 promises: debiasing removes the shrinking, but a blurred plan still moves slowly.`,
      ];
    }
    return ['The distance falls by ρ at each step, as Theorem 3 says.'];
  }
}
