import { InvalidInputError } from '../runtime/errors';
import { defaultThreads } from '../runtime/threads';
import { type Epsilon, resolveEpsilons } from './epsilon';
import { finiteNumbers, type NumberArray, type Numbers, shown } from './numbers';
import type { PreparedProblem } from './problem';

/** What is compared with what in an unbalanced problem. */
export interface Unbalanced {
  /** Weight rho > 0 of KL(P 1 | a) and KL(P^T 1 | b), in the cost's unit; one number, or one for each side (Infinity: exact). */
  penalty: number | { source: number; target: number };
  /**
   * Reference of the entropy: `product` (default) is epsilon KL(P | a b^T), as OTT and GeomLoss; `entropy` is
   * epsilon sum P (log P - 1), as POT 0.8. Balanced plans are the same, unbalanced plans are not.
   */
  reference?: 'product' | 'entropy';
}

export interface SinkhornOptions {
  /** Default `{ value: 0.05, relativeTo: 'mean' }`. */
  epsilon?: Epsilon;
  /** Relative L1 error of the source marginal at which to stop; default 1e-6. Below 5e-7 the float64 oracle is taken. */
  tolerance?: number;
  /** Most iterations in all stages together; default 2000. */
  maxIterations?: number;
  /** Leave out for balanced transport. */
  unbalanced?: Unbalanced;
  /** Potentials to start from (in the convention of the result). */
  start?: { f?: Numbers; g?: Numbers };
  /** `auto` (default): WebAssembly kernels in float32 when they are there, else `float64`, the plain oracle. */
  engine?: 'auto' | 'float32' | 'float64';
  /** Of the kernels: `auto` (default) scales and falls back to the log domain by itself; the others force one. */
  method?: 'auto' | 'scaling' | 'log';
  /** Threads for n >= 2048 (default 2 there, or CER_THREADS=1); 1 keeps everything on the calling thread. */
  threads?: number;
}

/** Options in effect, in the form in which engines take them. */
export interface Settings {
  /** A cloud to itself: f = g, and averaged updates converge in a few steps where alternating ones take thousands. */
  symmetric: boolean;
  epsilons: number[];
  tolerance: number;
  maxIterations: number;
  /** Penalties of the two marginals; Infinity when balanced. */
  rho: readonly [number, number];
  reference: 'product' | 'entropy';
  start: { f?: NumberArray; g?: NumberArray };
  method: 'auto' | 'scaling' | 'log';
  threads: number;
}

/** The same array on both sides with the same weights (balanced or not) has a symmetric solution. */
function isSymmetric({ source, a, b }: PreparedProblem, start: Settings['start']): boolean {
  if (source.kind !== 'points' || source.x !== source.y || (start.f && start.f !== start.g)) return false;
  return a.every((weight, i) => weight === b[i]);
}

const METHODS = ['auto', 'scaling', 'log'];
const ENGINES = ['auto', 'float32', 'float64'];

/**
 * Validates options against a problem.
 * @throws InvalidInputError naming the wrong option.
 */
export function resolveSettings(options: SinkhornOptions, problem: PreparedProblem): Settings {
  const { tolerance = 1e-6, maxIterations = 2000, unbalanced, method = 'auto', engine = 'auto' } = options;
  // Two threads already read the kernel nearly as fast as memory gives it.
  const threads = options.threads ?? (Math.max(problem.n, problem.m) >= 2048 ? Math.min(2, defaultThreads()) : 1);
  check('tolerance', tolerance, Number.isFinite(tolerance) && tolerance >= 0, 'a finite number >= 0');
  check('maxIterations', maxIterations, Number.isInteger(maxIterations) && maxIterations >= 1, 'an integer >= 1');
  check('threads', threads, Number.isInteger(threads) && threads >= 1 && threads <= 64, 'an integer in 1 .. 64');
  check('method', method, METHODS.includes(method), METHODS.join(' | '));
  check('engine', engine, ENGINES.includes(engine), ENGINES.join(' | '));
  const penalty = unbalanced?.penalty ?? Infinity;
  const rho = typeof penalty === 'number' ? ([penalty, penalty] as const) : ([penalty.source, penalty.target] as const);
  for (const value of rho) {
    const positive = typeof value === 'number' && value > 0;
    check('unbalanced.penalty', value, positive, 'a number > 0, or Infinity for an exact marginal');
  }
  const reference = unbalanced?.reference ?? 'product';
  check('unbalanced.reference', reference, ['product', 'entropy'].includes(reference), 'product | entropy');
  const f = potential('f', options.start?.f, problem.n);
  // The same array for both sides stays one: it keeps a symmetric problem symmetric.
  const same = options.start?.g === options.start?.f && problem.n === problem.m;
  const start = { f, g: same ? f : potential('g', options.start?.g, problem.m) };
  const epsilons = resolveEpsilons(options.epsilon ?? { value: 0.05, relativeTo: 'mean' }, problem);
  return {
    symmetric: rho[0] === rho[1] && isSymmetric(problem, start),
    epsilons,
    tolerance,
    maxIterations,
    rho,
    reference,
    start,
    method,
    threads,
  };
}

function potential(name: string, given: Numbers | undefined, count: number): NumberArray | undefined {
  if (given === undefined) return undefined;
  const values = finiteNumbers(`Sinkhorn, start.${name}`, given);
  check(`start.${name}`, `${values.length} values`, values.length === count, `${count} values`);
  return values;
}

function check(name: string, value: unknown, good: boolean, expected: string): void {
  if (good) return;
  throw new InvalidInputError(`Sinkhorn, ${name}`, {
    given: typeof value === 'string' ? value : shown(value),
    expected,
    remedy: 'Correct the option, or leave it out for its default.',
  });
}
