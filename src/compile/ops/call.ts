import type { DType, Graph } from '../graph';
import type { Lazy } from '../lazy';

/** One call of a tfjs kernel while tracing. */
export interface Call {
  readonly graph: Graph;
  /** Inputs under the kernel's own names (`x`, `a`, `b`, ... or `0`, `1`, ...). */
  readonly inputs: Readonly<Record<string, Lazy>>;
  /** Attributes as tfjs gives them. */
  // biome-ignore lint/suspicious/noExplicitAny: each kernel has attributes of its own, described in tfjs' kernel_names
  readonly attributes: Readonly<Record<string, any>>;
}

/** Emits the nodes of one kernel. */
export type Emit = (call: Call) => Lazy | Lazy[];
export type Kernels = Record<string, Emit>;

/** The graph's type for a tfjs type. */
export const dtypeOf = (dtype: string): DType => (dtype === 'int32' || dtype === 'bool' ? dtype : 'float32');

/** Non-negative axes in ascending order. */
export function axesOf(axis: number | readonly number[] | null | undefined, rank: number): number[] {
  const given = axis == null ? Array.from({ length: rank }, (_, i) => i) : [axis].flat();
  return given.map((a) => (a < 0 ? a + rank : a)).sort((a, b) => a - b);
}
