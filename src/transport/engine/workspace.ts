import { InvalidInputError } from '../../runtime/errors';
import { meanSquaredDistance } from '../epsilon';
import type { NumberArray } from '../numbers';
import type { PreparedProblem } from '../problem';
import { type KernelModules, type KernelName, type Kernels, type ThreadTeam, threadStarter } from './kernel-modules';

const PAGE = 65536;
const LARGEST_PAGES = 65536;
/** Constants of the compiled modules lie below this address. */
const BASE = PAGE;
/** A thread's own memory above this size is given back after a solve; smaller ones, and shared ones, are kept for the next. */
const RETAINED_BYTES = 96 * 2 ** 20;
/** Rows of costs that a thread computes before it turns them into matrix rows. */
const CHUNK_ROWS = 32;
/** Costs of up to this many pairs (4 MB) are kept in float64, so that an absorption or a new epsilon need not compute them again. */
const KEPT_COSTS = 2 ** 19;
/** From this dimension on, float32 points are subtracted in float32 while the mean cost is at most WIDE_SCALE epsilon. */
const WIDE_DIMENSION = 64;
const WIDE_SCALE = 50;
/** Mean costs between which squared float32 differences neither overflow nor vanish. */
const WIDE_RANGE = [1e-20, 1e20];
/** Potential of columns without mass and of the padding: never the minimum of a row, and exp(-Infinity) = 0, whatever the costs. */
const ABSENT = -Infinity;

interface Instance {
  module: WebAssembly.Module;
  memory: WebAssembly.Memory;
  kernels: Kernels;
}
const idle: { single?: Instance; shared?: Instance } = {};

/** Releases the memory that is kept between solves. */
export function releaseKernelMemory(): void {
  idle.single = undefined;
  idle.shared = undefined;
}

/** Bytes of WebAssembly memory kept for the next solve. */
export function retainedKernelBytes(): number {
  return (idle.single?.memory.buffer.byteLength ?? 0) + (idle.shared?.memory.buffer.byteLength ?? 0);
}

/**
 * The memory of a solve: the matrix (float32, rows padded to a multiple of 4, columns of 8), vectors, and a little room in
 * which costs are made chunk by chunk, so that the whole stays near the size of the matrix.
 */
export class Workspace {
  readonly rows: number;
  readonly stride: number;
  readonly threads: number;
  readonly pointer: Record<
    | 'matrix'
    | 'u'
    | 'next'
    | 'r'
    | 'a'
    | 'rowShift'
    | 'v'
    | 'vOld'
    | 'qv'
    | 'q'
    | 'columnShift'
    | 'w'
    | 'panel'
    | 'stats'
    | 'values'
    | 'out',
    number
  >;
  private readonly f0: number;
  private readonly g0: number;
  private readonly gLive: number;
  private readonly costs: number;
  private readonly points: number;
  private readonly targets: number;
  private readonly panelColumns: number;
  private readonly depth: number;
  private readonly instance: Instance;
  private readonly team?: ThreadTeam;
  /** Total size of the layout in bytes. */
  readonly bytes: number;
  private stagedTargets?: unknown;
  private keptCosts?: { problem: PreparedProblem; wide: boolean };
  private readonly keepsCosts: boolean;
  private meanCost?: number;

  constructor({ n, m, source }: PreparedProblem, modules: KernelModules, wantedThreads: number, valueWidth = 0) {
    const start = modules.shared && threadStarter();
    const threads = start ? Math.min(wantedThreads, Math.ceil(n / 4)) : 1;
    this.threads = threads;
    this.rows = Math.ceil(n / 4) * 4;
    this.stride = Math.ceil(m / 8) * 8;
    this.depth = source.kind === 'points' ? Math.ceil(source.dimension / 4) * 4 : 0;
    this.keepsCosts = n * m <= KEPT_COSTS;
    let top = BASE;
    const take = (bytes: number) => {
      const at = top;
      top += Math.ceil(bytes / 64) * 64;
      return at;
    };
    const column = 4 * this.stride;
    const row = 4 * this.rows;
    this.pointer = {
      matrix: take(row * this.stride),
      u: take(row),
      next: take(row),
      r: take(row),
      a: take(row),
      rowShift: take(row),
      v: take(column),
      vOld: take(column),
      qv: take(column),
      q: take(column),
      columnShift: take(column),
      w: take(threads * column),
      panel: take(threads * column),
      stats: take(threads * 64),
      values: take(column * valueWidth),
      out: take(row * valueWidth),
    };
    this.f0 = take(2 * row);
    this.g0 = take(2 * column);
    this.gLive = take(2 * column);
    this.costs = take((this.keepsCosts ? n : threads * CHUNK_ROWS) * 2 * column);
    this.points = take(threads * CHUNK_ROWS * 8 * this.depth);
    const panelBytes = Math.max(2 ** 18, 0.04 * row * this.stride);
    this.panelColumns = this.depth ? Math.min(m, Math.max(4, Math.floor(panelBytes / (8 * this.depth)))) : m;
    this.targets = take(this.depth ? this.panelColumns * 8 * this.depth : 0);
    this.bytes = top;
    this.instance = takeInstance(threads > 1 ? modules.shared! : modules.single, threads > 1, top);
    // Kernels read the padding of rows and columns. Zeros, as in fresh memory, keep a solve independent of earlier ones;
    // the matrix, by far the largest part, is the exception: `build` writes all of it.
    const afterMatrix = this.pointer.matrix + row * this.stride;
    new Uint8Array(this.instance.memory.buffer, afterMatrix, top - afterMatrix).fill(0);
    if (threads > 1) this.team = start!(threads - 1, modules.shared!, this.instance.memory);
  }

  /** A float32 view of `length` numbers at `at`; valid until the workspace is released. */
  floats(at: number, length: number): Float32Array {
    return new Float32Array(this.instance.memory.buffer, at, length);
  }

  /** A float64 view. */
  doubles(at: number, length: number): Float64Array {
    return new Float64Array(this.instance.memory.buffer, at, length);
  }

  get kernels(): Kernels {
    return this.instance.kernels;
  }

  /** The reference potentials of the matrix as it was last built. */
  references(n: number, m: number): { f0: Float64Array; g0: Float64Array } {
    return { f0: this.doubles(this.f0, n).slice(), g0: this.doubles(this.g0, m).slice() };
  }

  /** Runs a kernel on every thread with its own arguments and waits for all. */
  parallel(name: KernelName, values: (thread: number) => number[]): void {
    for (let t = 1; t < this.threads; t++) this.team!.post(t, name, values(t));
    this.kernels[name](...values(0));
    for (let t = 1; t < this.threads; t++) if (!this.team!.wait(t)) this.kernels[name](...values(t));
  }

  /** First row of thread t's share of the rows: multiples of 4, all shares nearly equal. */
  shareStart(thread: number): number {
    return 4 * Math.floor(((this.rows / 4) * thread) / this.threads);
  }

  /**
   * Builds the matrix of exp((f_i + g_j - C_ij) / epsilon), or of the exponents (`logForm`). Without `f` each f_i becomes
   * min_j (C_ij - g_j) over columns with mass.
   */
  build(
    problem: PreparedProblem,
    epsilon: number,
    g: Float64Array,
    f: Float64Array | undefined,
    logForm: boolean,
  ): void {
    const { n, m, b } = problem;
    const { rows, stride, threads } = this;
    const g0 = this.doubles(this.g0, stride).fill(ABSENT);
    const gLive = this.doubles(this.gLive, stride).fill(ABSENT);
    g0.set(g);
    for (let j = 0; j < m; j++) if (b[j] > 0) gLive[j] = g[j];
    if (f) this.doubles(this.f0, n).set(f);
    // Padding: rows without weight in either form.
    this.floats(this.pointer.matrix + 4 * n * stride, (rows - n) * stride).fill(logForm ? -1e30 : 0);
    const wide = this.isWide(problem, epsilon);
    const kept = this.keptCosts?.problem === problem && this.keptCosts.wide === wide;
    this.stagedTargets = undefined;
    const block = CHUNK_ROWS * threads;
    for (let first = 0; first < n; first += block) {
      const count = Math.min(block, n - first);
      const share = (t: number) => Math.floor((count * t) / threads);
      const costs = this.costs + (this.keepsCosts ? 8 * first * stride : 0);
      if (!kept) this.computeCosts(problem, first, count, costs, wide);
      this.parallel('finishRows', (t) => [
        ...[costs + 8 * share(t) * stride, share(t + 1) - share(t), stride, this.f0 + 8 * (first + share(t)), this.g0],
        ...[this.gLive, epsilon, this.pointer.matrix + 4 * (first + share(t)) * stride, f ? 0 : 1, logForm ? 1 : 0],
      ]);
    }
    this.keptCosts = this.keepsCosts ? { problem, wide } : undefined;
  }

  /** Costs of rows `first` .. `first + count`, float64, to `costs`. */
  private computeCosts(problem: PreparedProblem, first: number, count: number, costs: number, wide: boolean): void {
    const { m, source } = problem;
    const { stride, threads, depth } = this;
    if (source.kind === 'matrix') {
      for (let i = 0; i < count; i++) {
        const from = (first + i) * m;
        this.doubles(costs + 8 * i * stride, m).set(source.values.subarray(from, from + m));
      }
      return;
    }
    const share = (t: number) => Math.floor((count * t) / threads);
    const bytes = wide ? 4 : 8;
    this.stagePoints(source.x, source.dimension, first, count, this.points, wide);
    for (let j = 0; j < m; j += this.panelColumns) {
      const columns = Math.min(this.panelColumns, m - j);
      if (columns < m || this.stagedTargets !== source.y) {
        this.stagePoints(source.y, source.dimension, j, columns, this.targets, wide);
        this.stagedTargets = columns < m ? undefined : source.y;
      }
      this.parallel(wide ? 'costBlockWide' : 'costBlock', (t) => [
        ...[this.points + bytes * share(t) * depth, share(t + 1) - share(t), this.targets, columns, depth],
        ...[costs + 8 * (share(t) * stride + j), stride],
      ]);
    }
  }

  /** Whether float32 differences are precise enough: exact inputs, averaging over many dimensions, a moderate cost / epsilon. */
  private isWide(problem: PreparedProblem, epsilon: number): boolean {
    const { source } = problem;
    if (source.kind !== 'points' || source.dimension < WIDE_DIMENSION) return false;
    if (!(source.x instanceof Float32Array && source.y instanceof Float32Array)) return false;
    // Over all points: those without mass have potentials too.
    this.meanCost ??= meanSquaredDistance(source, [...problem.a.keys()], [...problem.b.keys()]);
    const [least, most] = WIDE_RANGE;
    return this.meanCost <= WIDE_SCALE * epsilon && this.meanCost >= least && this.meanCost <= most;
  }

  /** Ends the helpers' session and keeps the memory for the next solve unless it is large and not shared. */
  release(): void {
    // Shared memory is always kept: it is only collected once every thread has let go, so new ones would pile up.
    this.team?.end();
    if (this.team) idle.shared = this.instance;
    else idle.single = this.instance.memory.buffer.byteLength <= RETAINED_BYTES ? this.instance : undefined;
  }

  private stagePoints(
    points: NumberArray,
    dimension: number,
    first: number,
    count: number,
    to: number,
    wide: boolean,
  ): void {
    const out = wide ? this.floats(to, count * this.depth) : this.doubles(to, count * this.depth);
    const from = first * dimension;
    if (this.depth === dimension) {
      out.set(points.subarray(from, from + count * dimension));
      return;
    }
    for (let i = 0; i < count; i++) {
      for (let k = 0; k < this.depth; k++) {
        out[i * this.depth + k] = k < dimension ? points[from + i * dimension + k] : 0;
      }
    }
  }
}

function takeInstance(module: WebAssembly.Module, shared: boolean, bytes: number): Instance {
  const kind = shared ? 'shared' : 'single';
  const pages = Math.ceil(bytes / PAGE);
  if (pages > LARGEST_PAGES) {
    throw new InvalidInputError('Sinkhorn, size of the problem', {
      given: `${(bytes / 2 ** 30).toFixed(1)} GB for the kernel matrix`,
      expected: 'at most 4 GB, the memory of WebAssembly',
      remedy: 'Take fewer points: 4 bytes are needed for each pair.',
    });
  }
  let instance = idle[kind];
  idle[kind] = undefined; // a solve inside a solve (a metric that calls sinkhorn) gets a memory of its own
  if (instance?.module !== module) {
    const memory = new WebAssembly.Memory({
      initial: pages,
      ...(shared ? { maximum: LARGEST_PAGES, shared: true } : {}),
    });
    const created = new WebAssembly.Instance(module, { env: { memory } });
    instance = { module, memory, kernels: created.exports as unknown as Kernels };
  }
  const missing = pages - instance.memory.buffer.byteLength / PAGE;
  if (missing > 0) instance.memory.grow(missing);
  return instance;
}
