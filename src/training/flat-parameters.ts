import { sizeOf } from '../compile/graph';

/** A parameter's place in flat memory. */
export interface FlatParameter {
  name: string;
  shape: readonly number[];
  /** Whether weight decay applies to it. */
  decays: boolean;
}

/** Parameters start at multiples of this many floats: a cache line, and the width of any vector unit. */
const ALIGNMENT = 16;

/**
 * All parameters one after another in one array, those with weight decay first, so that an optimizer is two loops. The gaps
 * between them stay zero.
 */
export class FlatParameters {
  /** Length of the array in floats. */
  readonly size: number;
  /** Length of its first part, to which weight decay applies. */
  readonly decayed: number;
  readonly names: string[];
  private readonly places = new Map<string, { offset: number; length: number; shape: readonly number[] }>();

  constructor(readonly parameters: readonly FlatParameter[]) {
    this.names = parameters.map(({ name }) => name);
    let offset = 0;
    const place = ({ name, shape }: FlatParameter) => {
      this.places.set(name, { offset, length: sizeOf(shape), shape });
      offset += Math.ceil(sizeOf(shape) / ALIGNMENT) * ALIGNMENT;
    };
    for (const parameter of parameters) if (parameter.decays) place(parameter);
    this.decayed = offset;
    for (const parameter of parameters) if (!parameter.decays) place(parameter);
    this.size = offset;
  }

  shape(name: string): readonly number[] {
    return this.places.get(name)!.shape;
  }

  place(name: string): { offset: number; length: number; shape: readonly number[] } {
    return this.places.get(name)!;
  }

  /** The numbers of one parameter, a view into `memory` where the flat array starts at `start`. */
  view(memory: Float32Array, start: number, name: string): Float32Array {
    const { offset, length } = this.places.get(name)!;
    return memory.subarray(start + offset, start + offset + length);
  }
}
