import type { Settings } from '../options';
import { costRow, type PreparedProblem, total } from '../problem';
import { type MarginalCheck, type Side, type Solution, type Status, sides } from '../solution';
import type { KernelModules } from './kernel-modules';
import { Workspace } from './workspace';

/** Scalings outside exp(+-30) are absorbed into the potentials, far from the ends of float32 (exp(+-87)). */
const ABSORB_ABOVE = 30;
/** In the log domain the matrix is rebuilt when potentials drifted this far: exponents are then small where mass is. */
const REBUILD_ABOVE = 64;
/** Iterations in the log domain before scaling is tried again. */
const REPAIR_ITERATIONS = 10;
/** Iterations without a better marginal error after which float32 has nothing more to give. */
const STALL_ITERATIONS = 100;
const CHECK_EVERY = 10;
/** Bytes of a matrix above which passes alternate in direction: what no private cache holds is then partly read from a shared one. */
const ALTERNATE_ABOVE = 2 ** 20;

type Outcome = 'converged' | 'budget' | 'stalled' | 'underflow' | 'absorb' | 'repaired';

/** Sinkhorn in float32 WebAssembly with float64 potentials; see `kernels/` for the inner loops. */
export function solveFloat32(problem: PreparedProblem, settings: Settings, modules: KernelModules): Solution {
  const space = new Workspace(problem, modules, settings.threads);
  try {
    return new KernelSolve(problem, settings, space, modules.relaxed).run();
  } finally {
    space.release();
  }
}

class KernelSolve {
  /** Potentials of the last complete iteration, in the cost's unit. */
  private f: Float64Array;
  private g: Float64Array;
  private iterations = 0;
  private readonly checks: MarginalCheck[] = [];
  private lastError = Infinity;
  private bestError = Infinity;
  private bestAt = 0;
  private known: boolean;
  private readonly used = new Set<string>();
  private readonly absorptions = { source: 0, target: 0 };
  private setupMs = 0;
  private readonly began = performance.now();
  private readonly mass: number;
  private rowSide!: Side;
  private columnSide!: Side;
  private epsilon = 0;
  private tolerance = 0;

  constructor(
    private readonly problem: PreparedProblem,
    private readonly settings: Settings,
    private readonly space: Workspace,
    private readonly relaxed: boolean,
  ) {
    const { n, m } = problem;
    const { start } = settings;
    this.f = Float64Array.from(start.f ?? new Float64Array(n));
    this.g = Float64Array.from(start.g ?? new Float64Array(m));
    this.known = start.g !== undefined;
    this.mass = total(problem.a);
    this.fill('a', problem.a);
  }

  run(): Solution {
    const { epsilons, tolerance, rho } = this.settings;
    let status: Status = 'max-iterations';
    epsilons.forEach((epsilon, stage) => {
      const last = stage === epsilons.length - 1;
      this.epsilon = epsilon;
      this.tolerance = last ? tolerance : Math.max(tolerance, 1e-2);
      const outcome = this.stage();
      if (last && outcome === 'converged') status = 'converged';
      if (last && outcome === 'stalled') status = 'precision-limit';
      if (outcome === 'underflow') status = 'underflow';
    });
    this.extendToMassless();
    const balanced = rho[0] === Infinity && rho[1] === Infinity;
    if (balanced && Math.abs(this.mass / total(this.problem.b) - 1) > 1e-6) status = 'unequal-mass';
    if (this.lastError < Infinity && this.checks[this.checks.length - 1]?.iteration !== this.iterations) {
      this.checks.push({ iteration: this.iterations, epsilon: this.epsilon, error: this.lastError });
    }
    const method = `float32 ${[...this.used].join(' + ')} (${this.relaxed ? 'relaxed ' : ''}SIMD, threads: ${this.space.threads})`;
    return {
      f: this.f,
      g: this.g,
      iterations: this.iterations,
      checks: this.checks,
      status,
      method,
      absorptions: this.absorptions,
      timings: { setup: this.setupMs, iterations: performance.now() - this.began - this.setupMs },
    };
  }

  /** Solves with the current epsilon: scaling while it is safe, the log domain where it is not. */
  private stage(): Outcome {
    const { method } = this.settings;
    [this.rowSide, this.columnSide] = sides(this.problem, this.settings, this.epsilon);
    this.fill('r', this.rowSide.reference);
    this.fill('q', this.columnSide.reference);
    this.bestError = Infinity;
    this.bestAt = this.iterations;
    let inLog = method === 'log';
    let repairs = 0;
    for (;;) {
      const outcome = inLog ? this.logRun(method === 'auto' && repairs <= 1) : this.scalingRun();
      if (outcome === 'repaired') inLog = false;
      else if (outcome === 'underflow' && method === 'auto') {
        inLog = true;
        repairs++;
      } else if (outcome !== 'absorb') return outcome;
    }
  }

  /** Kernel scaling from the current potentials until done, or until the scalings must be absorbed or have failed. */
  private scalingRun(): Outcome {
    const { space, problem, epsilon } = this;
    const { pointer, kernels, stride } = space;
    const { symmetric } = this.settings;
    const { n, m } = problem;
    this.used.add('kernel scaling');
    this.build(symmetric ? this.g : undefined, false);
    const { f0, g0 } = space.references(n, m);
    this.shifts('rowShift', this.rowSide, f0);
    this.shifts('columnShift', this.columnSide, g0);
    const u = space.floats(pointer.u, n);
    for (let i = 0; i < n; i++) u[i] = Math.exp(clamp((this.f[i] - f0[i]) / epsilon));
    space.floats(pointer.v, m).fill(1);
    space.floats(pointer.qv, stride).set(space.floats(pointer.q, stride));
    let uAt = pointer.u;
    let uNext = pointer.next;
    let vAt = pointer.v;
    let vNext = pointer.vOld;
    // Potentials are read out of the scalings only when the run ends.
    const keep = (uPointer: number, vPointer: number) => {
      const us = space.floats(uPointer, n);
      const vs = space.floats(vPointer, m);
      for (let i = 0; i < n; i++) if (us[i] > 0 && us[i] < Infinity) this.f[i] = f0[i] + epsilon * Math.log(us[i]);
      for (let j = 0; j < m; j++) if (vs[j] > 0 && vs[j] < Infinity) this.g[j] = g0[j] + epsilon * Math.log(vs[j]);
    };
    const first = this.iterations;
    for (;;) {
      if (this.iterations >= this.settings.maxIterations) {
        if (this.iterations > first) keep(uAt, vAt);
        return 'budget';
      }
      if (symmetric) {
        space.parallel('symmetricPass', (t) => [
          ...[pointer.matrix, stride, space.shareStart(t), space.shareStart(t + 1), pointer.qv, uAt, pointer.a],
          ...[pointer.rowShift, this.rowSide.damping, uNext, pointer.stats + 64 * t],
        ]);
        const next = space.floats(uNext, n);
        const qv = space.floats(pointer.qv, n);
        const q = space.floats(pointer.q, n);
        for (let i = 0; i < n; i++) qv[i] = q[i] > 0 ? q[i] * next[i] : 0;
        [uAt, uNext] = [uNext, uAt];
        [vNext, vAt] = [uNext, uAt];
      } else {
        const backward = this.iterations % 2 === 1 && 4 * space.rows * stride > ALTERNATE_ABOVE;
        space.parallel('scalingPass', (t) => [
          ...[pointer.matrix, stride, space.shareStart(t), space.shareStart(t + 1), pointer.qv, uAt, pointer.r],
          ...[pointer.a, pointer.rowShift, this.rowSide.damping, pointer.w + 4 * stride * t],
          ...[pointer.panel + 4 * stride * t, pointer.stats + 64 * t, backward ? 1 : 0],
        ]);
      }
      const { error, low: uLow, high: uHigh } = this.stats();
      if (!symmetric) {
        kernels.columnStep(
          ...[pointer.w, space.threads, stride, pointer.q, pointer.columnShift, this.columnSide.damping],
          ...[vNext, pointer.qv, pointer.stats],
        );
      }
      const { low: vLow, high: vHigh } = symmetric ? { low: uLow, high: uHigh } : this.stats(1);
      if (!(Math.min(uLow, vLow) > 0 && Math.max(uHigh, vHigh) < Infinity)) {
        // The last columns that were in range, vAt, are kept; rows follow from columns in the next method.
        if (this.iterations > first) keep(symmetric ? uNext : pointer.u, symmetric ? uNext : vAt);
        return 'underflow';
      }
      if (!symmetric) [vAt, vNext] = [vNext, vAt];
      const outcome = this.afterIteration(error);
      const sourceDrifted = Math.max(-Math.log(uLow), Math.log(uHigh)) > ABSORB_ABOVE;
      const targetDrifted = Math.max(-Math.log(vLow), Math.log(vHigh)) > ABSORB_ABOVE;
      if (outcome || sourceDrifted || targetDrifted) {
        keep(uAt, vAt);
        if (sourceDrifted) this.absorptions.source++;
        if (targetDrifted) this.absorptions.target++;
        return outcome ?? 'absorb';
      }
    }
  }

  /** The log domain from the current potentials; with `repair` it ends as soon as scaling may be tried again. */
  private logRun(repair: boolean): Outcome {
    const { space, problem, epsilon } = this;
    const { pointer, kernels, stride, threads } = space;
    const { n, m } = problem;
    this.used.add('log domain');
    this.build(undefined, true);
    const { f0, g0 } = space.references(n, m);
    this.shifts('rowShift', this.rowSide, f0);
    this.shifts('columnShift', this.columnSide, g0);
    const phi = space.floats(pointer.u, n);
    for (let i = 0; i < n; i++) phi[i] = clamp((this.f[i] - f0[i]) / epsilon);
    const gamma = space.floats(pointer.v, stride);
    gamma.fill(-1e30);
    const q = this.columnSide.reference;
    for (let j = 0; j < m; j++) if (q[j] > 0) gamma[j] = 0;
    const share = (t: number) => Math.min(n, space.shareStart(t));
    const keep = () => {
      for (let i = 0; i < n; i++) this.f[i] = f0[i] + epsilon * phi[i];
      for (let j = 0; j < m; j++) if (q[j] > 0) this.g[j] = g0[j] + epsilon * gamma[j];
    };
    const first = this.iterations;
    for (;;) {
      if (this.iterations >= this.settings.maxIterations) {
        if (this.iterations > first) keep();
        return 'budget';
      }
      space.parallel('logPass', (t) => [
        ...[pointer.matrix, stride, share(t), share(t + 1), pointer.v, pointer.q, pointer.u, pointer.r, pointer.a],
        ...[pointer.rowShift, this.rowSide.damping, pointer.w + 4 * stride * t, pointer.panel + 4 * stride * t],
        pointer.stats + 64 * t,
      ]);
      const { error, low: uLow, high: uHigh } = this.stats();
      kernels.logColumnStep(
        ...[pointer.matrix, n, pointer.w, threads, stride, pointer.q, pointer.u, pointer.r, pointer.columnShift],
        ...[this.columnSide.damping, pointer.v, pointer.stats],
      );
      const { low: vLow, high: vHigh } = this.stats(1);
      const outcome = this.afterIteration(error);
      const drift = Math.max(uHigh, -uLow, vHigh, -vLow);
      const repaired = repair && this.iterations - first >= REPAIR_ITERATIONS;
      if (outcome || repaired || drift > REBUILD_ABOVE) {
        keep();
        return outcome ?? (repaired ? 'repaired' : 'absorb');
      }
    }
  }

  private build(f: Float64Array | undefined, logForm: boolean): void {
    const began = performance.now();
    this.space.build(this.problem, this.epsilon, this.g, f, logForm);
    this.setupMs += performance.now() - began;
  }

  /** Counts an iteration, records its error, and says when to stop. */
  private afterIteration(error: number): Outcome | undefined {
    this.iterations++;
    const known = this.known;
    this.known = true;
    // The first error compares with potentials that no iteration has made.
    if (!known) return undefined;
    this.lastError = error / this.mass;
    if (this.iterations % CHECK_EVERY === 0) {
      this.checks.push({ iteration: this.iterations, epsilon: this.epsilon, error: this.lastError });
    }
    if (this.lastError <= this.tolerance) return 'converged';
    if (this.lastError < 0.999 * this.bestError) {
      this.bestError = this.lastError;
      this.bestAt = this.iterations;
    } else if (this.iterations - this.bestAt >= STALL_ITERATIONS && this.lastError < 1e-5) return 'stalled';
    return undefined;
  }

  /** Combines the statistics that each thread left. */
  private stats(threads = this.space.threads): { error: number; low: number; high: number } {
    const values = this.space.doubles(this.space.pointer.stats, 8 * threads);
    let error = 0;
    let low = Infinity;
    let high = -Infinity;
    for (let t = 0; t < threads; t++) {
      error += values[8 * t];
      low = Math.min(low, values[8 * t + 1]);
      high = Math.max(high, values[8 * t + 2]);
    }
    return { error, low, high };
  }

  /** damping log(mass / reference) - (1 - damping) f0 / epsilon: what an update adds relative to the absorbed potentials. */
  private shifts(name: 'rowShift' | 'columnShift', { damping, logRatio }: Side, absorbed: Float64Array): void {
    const out = this.space.floats(this.space.pointer[name], absorbed.length);
    for (let i = 0; i < out.length; i++) out[i] = damping * logRatio[i] - ((1 - damping) * absorbed[i]) / this.epsilon;
  }

  private fill(name: 'a' | 'r' | 'q', values: Float64Array): void {
    const { pointer, rows, stride } = this.space;
    this.space
      .floats(pointer[name], name === 'q' ? stride : rows)
      .fill(0)
      .set(values);
  }

  /** Target points without mass took no part: their potentials are given by the update formula, in float64. */
  private extendToMassless(): void {
    const { problem, columnSide, epsilon, f } = this;
    const { n, m, b } = problem;
    if (b.every((weight) => weight > 0)) return;
    const row = new Float64Array(m);
    const largest = new Float64Array(m).fill(-Infinity);
    const sum = new Float64Array(m);
    const r = this.rowSide.reference;
    for (let i = 0; i < n; i++) {
      if (r[i] === 0) continue;
      costRow(problem, i, row);
      for (let j = 0; j < m; j++) {
        if (b[j] > 0) continue;
        const value = (f[i] - row[j]) / epsilon;
        if (value > largest[j]) {
          sum[j] = sum[j] * Math.exp(largest[j] - value) + r[i];
          largest[j] = value;
        } else sum[j] += r[i] * Math.exp(value - largest[j]);
      }
    }
    for (let j = 0; j < m; j++) {
      if (b[j] === 0) {
        this.g[j] = columnSide.damping * epsilon * (columnSide.logRatio[j] - largest[j] - Math.log(sum[j]));
      }
    }
  }
}

function clamp(exponent: number): number {
  return Math.min(80, Math.max(-80, exponent));
}
