import { InvalidInputError, NumericalError } from '../runtime/errors';
import { costRow, prepareProblem, type TransportProblem, total } from './problem';

/** An optimal plan without regularisation, with the dual potentials that prove it. */
export interface ExactResult {
  /** <P, C>, the optimal cost. */
  cost: number;
  /** [n, m] optimal plan with at most n + m - 1 positive entries. */
  plan: Float64Array;
  /** [n] and [m] potentials: f_i + g_j <= C_ij, with equality where the plan has mass; plain mean of g is zero. */
  f: Float64Array;
  g: Float64Array;
  pivots: number;
}

const LARGEST_ENTRIES = 2 ** 24;

/**
 * Exact optimal transport by the network simplex method (float64), meant for clouds of up to about 1000 points a side.
 * Strongly feasible trees keep degenerate problems (uniform weights) from cycling; see Ahuja, Magnanti and Orlin,
 * "Network Flows" (1993), chapter 11.
 * @throws InvalidInputError for wrong input, unequal masses or more than 2^24 pairs.
 */
export function exactTransport(problem: TransportProblem): ExactResult {
  const prepared = prepareProblem(problem);
  const { n, m, a, b } = prepared;
  if (n * m > LARGEST_ENTRIES) {
    throw new InvalidInputError('Exact transport', {
      given: `${n} x ${m} points`,
      expected: `at most ${LARGEST_ENTRIES} pairs`,
      remedy: 'Use sinkhorn with a small, annealed epsilon for clouds of this size.',
    });
  }
  const massA = total(a);
  const massB = total(b);
  if (Math.abs(massA / massB - 1) > 1e-6) {
    throw new InvalidInputError('Exact transport, masses', {
      given: `${massA} and ${massB}`,
      expected: 'equal total masses',
      remedy: 'Normalise the weights of both sides, or use sinkhorn with unbalanced: { penalty }.',
    });
  }
  const costs = new Float64Array(n * m);
  for (let i = 0; i < n; i++) costRow(prepared, i, costs.subarray(i * m, (i + 1) * m));
  const demand = b.map((x) => (x * massA) / massB);
  return new NetworkSimplex(costs, a, demand).solve();
}

/** Spanning tree of the bipartite graph plus a root, each node with the arc to its parent. */
class NetworkSimplex {
  private readonly n: number;
  private readonly m: number;
  private readonly parent: Int32Array;
  private readonly arc: Int32Array; // arc to the parent; -1 for the artificial one
  private readonly up: Uint8Array; // 1: the arc points from the node to its parent
  private readonly flow: Float64Array;
  private readonly depth: Int32Array;
  private readonly potential: Float64Array; // tree arcs have c + potential[from] - potential[to] = 0
  private readonly firstChild: Int32Array;
  private readonly nextSibling: Int32Array;
  private readonly previousSibling: Int32Array;
  private readonly tolerance: number;
  private cursor = 0;

  constructor(
    private readonly costs: Float64Array,
    supply: Float64Array,
    demand: Float64Array,
  ) {
    const n = supply.length;
    const m = demand.length;
    const nodes = n + m;
    this.n = n;
    this.m = m;
    this.parent = new Int32Array(nodes + 1).fill(nodes);
    this.parent[nodes] = -1;
    this.arc = new Int32Array(nodes + 1).fill(-1);
    this.up = new Uint8Array(nodes + 1);
    this.flow = new Float64Array(nodes + 1);
    this.depth = new Int32Array(nodes + 1).fill(1);
    this.depth[nodes] = 0;
    this.potential = new Float64Array(nodes + 1);
    this.firstChild = new Int32Array(nodes + 1).fill(-1);
    this.nextSibling = new Int32Array(nodes + 1).fill(-1);
    this.previousSibling = new Int32Array(nodes + 1).fill(-1);
    let largest = 0;
    for (const cost of costs) largest = Math.max(largest, Math.abs(cost));
    this.tolerance = 1e-13 * largest;
    // Any arc i -> j is cheaper than i -> root -> j, so artificial arcs lose their flow.
    const artificial = 2 * largest + 1;
    for (let node = 0; node < nodes; node++) {
      const outgoing = node < n || demand[node - n] === 0;
      this.up[node] = outgoing ? 1 : 0;
      this.flow[node] = node < n ? supply[node] : demand[node - n];
      this.potential[node] = outgoing ? -artificial : artificial;
      this.adopt(nodes, node);
    }
  }

  solve(): ExactResult {
    const { n, m } = this;
    const limit = 2000 * (n + m);
    let pivots = 0;
    for (let entering = this.price(); entering >= 0; entering = this.price()) {
      this.pivot(entering);
      if (++pivots > limit) {
        throw new NumericalError('Exact transport', {
          given: `no optimum after ${pivots} pivots`,
          expected: 'far fewer',
          remedy: 'Scale the costs to order one; report the problem if that does not help.',
        });
      }
    }
    const plan = new Float64Array(n * m);
    let cost = 0;
    for (let node = 0; node < n + m; node++) {
      const arc = this.arc[node];
      if (arc < 0) continue;
      plan[arc] = Math.max(0, this.flow[node]);
      cost += plan[arc] * this.costs[arc];
    }
    const mean = this.potential.subarray(n, n + m).reduce((sum, x) => sum + x / m, 0);
    const f = this.potential.slice(0, n).map((x) => mean - x);
    const g = this.potential.slice(n, n + m).map((x) => x - mean);
    return { cost, plan, f, g, pivots };
  }

  /** The most negative reduced cost in the next block that has one, or -1 at the optimum. */
  private price(): number {
    const { costs, potential, n, m } = this;
    const block = Math.max(64, Math.ceil(Math.sqrt(costs.length)));
    let best = -this.tolerance;
    let found = -1;
    let inBlock = 0;
    let i = Math.floor(this.cursor / m);
    let j = this.cursor - i * m;
    for (let seen = 0; seen < costs.length; seen++) {
      const reduced = costs[i * m + j] + potential[i] - potential[n + j];
      if (reduced < best) {
        best = reduced;
        found = i * m + j;
      }
      if (++j === m) {
        j = 0;
        if (++i === n) i = 0;
      }
      if (++inBlock === block) {
        if (found >= 0) break;
        inBlock = 0;
      }
    }
    this.cursor = i * m + j;
    return found;
  }

  /** Pushes flow round the cycle that the entering arc closes, and exchanges it for an arc that blocks. */
  private pivot(entering: number): void {
    const { parent, up, flow, depth } = this;
    const from = Math.floor(entering / this.m);
    const to = this.n + (entering % this.m);
    let p = from;
    let q = to;
    let push = Infinity;
    let leaving = -1;
    let leavingOnSourceSide = true;
    const apex = this.apex(from, to);
    // Of several blocking arcs the last one along the cycle, seen from the apex, keeps the tree strongly feasible.
    for (; p !== apex; p = parent[p]) {
      if (up[p] && flow[p] < push) {
        push = flow[p];
        leaving = p;
      }
    }
    for (; q !== apex; q = parent[q]) {
      if (!up[q] && flow[q] <= push) {
        push = flow[q];
        leaving = q;
        leavingOnSourceSide = false;
      }
    }
    for (p = from; p !== apex; p = parent[p]) flow[p] += up[p] ? -push : push;
    for (q = to; q !== apex; q = parent[q]) flow[q] += up[q] ? push : -push;
    const inner = leavingOnSourceSide ? from : to;
    const outer = leavingOnSourceSide ? to : from;
    const reduced = this.costs[entering] + this.potential[from] - this.potential[to];
    this.reroot(inner, leaving);
    parent[inner] = outer;
    this.arc[inner] = entering;
    up[inner] = leavingOnSourceSide ? 1 : 0;
    flow[inner] = push;
    this.adopt(outer, inner);
    const change = leavingOnSourceSide ? -reduced : reduced;
    const stack = [inner];
    for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
      depth[node] = depth[parent[node]] + 1;
      this.potential[node] += change;
      for (let child = this.firstChild[node]; child >= 0; child = this.nextSibling[child]) stack.push(child);
    }
  }

  private apex(a: number, b: number): number {
    const { parent, depth } = this;
    while (a !== b) {
      if (depth[a] >= depth[b]) a = parent[a];
      else b = parent[b];
    }
    return a;
  }

  /** Cuts the arc above `top` and makes `inner`, a node below it, the top of the loose subtree. */
  private reroot(inner: number, top: number): void {
    const { parent, arc, up, flow } = this;
    let node = inner;
    let above = parent[node];
    let [nodeArc, nodeUp, nodeFlow] = [arc[node], up[node], flow[node]];
    this.disown(node);
    while (node !== top) {
      const next = parent[above];
      const [aboveArc, aboveUp, aboveFlow] = [arc[above], up[above], flow[above]];
      this.disown(above);
      parent[above] = node;
      arc[above] = nodeArc;
      up[above] = nodeUp ? 0 : 1;
      flow[above] = nodeFlow;
      this.adopt(node, above);
      [nodeArc, nodeUp, nodeFlow] = [aboveArc, aboveUp, aboveFlow];
      node = above;
      above = next;
    }
  }

  private adopt(parent: number, child: number): void {
    const first = this.firstChild[parent];
    this.nextSibling[child] = first;
    this.previousSibling[child] = -1;
    if (first >= 0) this.previousSibling[first] = child;
    this.firstChild[parent] = child;
  }

  private disown(child: number): void {
    const previous = this.previousSibling[child];
    const next = this.nextSibling[child];
    if (previous >= 0) this.nextSibling[previous] = next;
    else this.firstChild[this.parent[child]] = next;
    if (next >= 0) this.previousSibling[next] = previous;
  }
}
