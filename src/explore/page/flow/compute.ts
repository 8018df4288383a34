import { foldIn, type Key, key, normal, uniform } from '../../../runtime/random';
import { bumps, eulerRate, proximalRate } from '../../../theory/gradient-flow';
import { exactTransport, jkoStep, type SinkhornResult } from '../../../transport/core';
import type { FlowSettings } from './settings';

/** The constants of a flow. */
export interface FlowScene {
  kind: 'scene';
  /** [n, 2] the ideal conditions. */
  target: Float64Array;
  /** [n, 2] one anchor for each condition. */
  anchors: Float64Array;
  /** Contraction factor per step that Theorem 3 promises (proximal), or that of an explicit step. */
  rate: number;
  /** W2 from the limit to the target that lambda causes; 0 without anchors. */
  bias: number;
}

/** The cloud after k steps, and the plan by which it moves next. */
export interface FlowFrame {
  kind: 'frame';
  step: number;
  /** [n, 2] */
  points: Float64Array;
  /** W2 to the ideal conditions, by exact transport. */
  distance: number;
  links: PlanLinks;
  /** Sinkhorn's iterations and status in this plan. */
  iterations: number;
  status: SinkhornResult['status'];
}

/** The heaviest entries of a plan. */
export interface PlanLinks {
  from: Uint16Array;
  to: Uint16Array;
  /** Mass of the entry as a share of its condition's mass, in (0, 1]. */
  share: Float32Array;
  /** Share of all mass that these entries carry. */
  covered: number;
  /** exp of the mean entropy of a row: among how many ideal points a condition divides itself. */
  spread: number;
}

/** Links that are drawn at most: enough to see the plan, few enough to see through it. */
const MOST_LINKS = 900;
/** Entries below this share of their row are not drawn. */
const LEAST_SHARE = 0.01;

/** Runs the flow of Algorithm 1 on a cloud in the plane, one step for each value that is asked for. */
export function* flowParts(settings: FlowSettings): Generator<FlowScene | FlowFrame> {
  const { steps, eta, lambda, epsilon, scheme, debiased, points: n } = settings;
  const source = foldIn(key(settings.seed), 'explore flow');
  const target = targetCloud(settings.target, foldIn(source, 'target'), n);
  const start = normal(foldIn(source, 'start'), 2 * n);
  const anchors = anchorsOf(start, foldIn(source, 'anchors'));
  const rate = scheme === 'proximal' ? proximalRate(eta) : eulerRate(eta);
  yield { kind: 'scene', target, anchors, rate, bias: lambda > 0 ? anchoredBias(anchors, target, lambda) : 0 };
  let points = start;
  for (let step = 0; step <= steps; step++) {
    const { points: next, coupling } = jkoStep(
      { x: points, y: target, dimension: 2 },
      {
        eta,
        scheme,
        debiased,
        anchor: { points: anchors, weight: lambda },
        epsilon: { value: epsilon, relativeTo: 'mean', anneal: {} },
        tolerance: 1e-3,
        maxIterations: 1000,
      },
    );
    const distance = Math.sqrt(exactTransport({ x: points, y: target, dimension: 2 }).cost);
    const { iterations, status } = coupling;
    yield { kind: 'frame', step, points, distance, links: planLinks(coupling), iterations, status };
    points = next;
  }
}

/**
 * W2 from the flow's limit to the target: the minimiser is the barycentre of weights 1 and lambda, so it lies at
 * lambda / (1 + lambda) of the way to the anchors (as `anchorBias` says for Gaussians). A flow of particles that keeps a pairing
 * which is not the best one stops a little farther away.
 */
function anchoredBias(anchors: Float64Array, target: Float64Array, lambda: number): number {
  return (lambda / (1 + lambda)) * Math.sqrt(exactTransport({ x: anchors, y: target, dimension: 2 }).cost);
}

/** T^-1(x) of each condition: a narrower, displaced and noisy picture of where it started. */
function anchorsOf(start: Float64Array, source: Key): Float64Array {
  const noise = normal(source, start.length);
  return start.map((value, at) => (at % 2 === 0 ? -2.2 : 2) + 0.5 * value + 0.15 * noise[at]);
}

/** The ideal conditions, [n, 2]. */
export function targetCloud(shape: FlowSettings['target'], source: Key, n: number): Float64Array {
  if (shape === 'bumps') return bumps(source, n, 3, 3);
  const noise = normal(foldIn(source, 'noise'), 2 * n);
  if (shape === 'gaussian') {
    // A narrow ellipse off the centre.
    return noise.map((z, at) => (at % 2 === 0 ? 1.5 + 1.2 * z : -1 + 0.8 * noise[at - 1] + 0.4 * z));
  }
  const turns = uniform(foldIn(source, 'turns'), n);
  return noise.map((z, at) => {
    const i = at >> 1;
    const across = at % 2 === 0;
    if (shape === 'ring') {
      const angle = 2 * Math.PI * turns[i];
      return 3 * (across ? Math.cos(angle) : Math.sin(angle)) + 0.12 * z;
    }
    const angle = Math.PI * turns[i];
    const upper = i % 2 === 0;
    const place = across
      ? (upper ? -1 : 1) + 2 * Math.cos(angle)
      : (upper ? -0.5 : 0.5) + (upper ? 2.4 : -2.4) * Math.sin(angle);
    return place + 0.15 * z;
  });
}

/** The heaviest entries of a plan, and how blurred it is. */
export function planLinks({ problem: { n, m }, plan }: SinkhornResult): PlanLinks {
  const shares = new Float32Array(n * m);
  let entropy = 0;
  for (let i = 0; i < n; i++) {
    let row = 0;
    for (let j = 0; j < m; j++) row += plan[i * m + j];
    for (let j = 0; j < m; j++) {
      const share = plan[i * m + j] / row;
      shares[i * m + j] = share;
      if (share > 0) entropy -= share * Math.log(share);
    }
  }
  const least = shares.slice().sort()[Math.max(0, shares.length - MOST_LINKS)];
  const kept: number[] = [];
  for (let at = 0; at < shares.length && kept.length < MOST_LINKS; at++) {
    if (shares[at] >= least && shares[at] >= LEAST_SHARE) kept.push(at);
  }
  const share = Float32Array.from(kept, (at) => shares[at]);
  return {
    from: Uint16Array.from(kept, (at) => Math.floor(at / m)),
    to: Uint16Array.from(kept, (at) => at % m),
    share,
    covered: share.reduce((sum, value) => sum + value, 0) / n,
    spread: Math.exp(entropy / n),
  };
}
