import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { loadParameters, toTensor } from '../io/parameters';
import { pathInside } from '../io/path-inside';
import { readSafetensors, type SafetensorsFile } from '../io/safetensors';
import { toFloat64, toInt32 } from '../io/tensor-record';
import { FileFormatError, InvalidInputError } from '../runtime/errors';
import type { Parameters } from '../runtime/parameters';

/** One recorded case: a JSON file and, beside it, a tensor file of the same name. */
export class ReferenceCase {
  private file: SafetensorsFile | undefined;

  constructor(
    /** Path below the reference folder without extension. */
    readonly name: string,
    /** Path without extension. */
    readonly stem: string,
    readonly json: Record<string, unknown>,
  ) {}

  /** Whether a tensor file lies beside the JSON. */
  get hasTensors(): boolean {
    return existsSync(`${this.stem}.safetensors`);
  }

  /** Stored tensors by name; empty without a tensor file. */
  get tensors(): SafetensorsFile['tensors'] {
    if (!this.hasTensors) return new Map();
    this.file ??= readSafetensors(`${this.stem}.safetensors`);
    return this.file.tensors;
  }

  has(name: string): boolean {
    return this.tensors.has(name);
  }

  shape(name: string): readonly number[] {
    return this.stored(name).shape;
  }

  /** A stored tensor on the current backend. */
  tensor<T extends tf.Tensor = tf.Tensor>(name: string): T {
    return toTensor(this.stored(name)) as T;
  }

  /** Values of a stored tensor as numbers. */
  values(name: string): Float64Array {
    return toFloat64(this.stored(name));
  }

  /** Values of a stored integer tensor. */
  integers(name: string): Int32Array {
    return toInt32(this.stored(name));
  }

  /** Names of stored tensors that start with a prefix, without it. */
  namesAfter(prefix: string): string[] {
    return [...this.tensors.keys()].filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
  }

  /** The weights that the case was computed with; a weight file's own. */
  weights(): Parameters {
    return loadParameters(this.weightsPath());
  }

  weightsPath(): string {
    return 'weights_file' in this.json
      ? pathInside(dirname(this.stem), this.json.weights_file, `Reference ${this.name}`)
      : `${this.stem}.safetensors`;
  }

  /** Part of the JSON, as the type of its family. */
  part<T>(name: string): T {
    return this.json[name] as T;
  }

  private stored(name: string) {
    const found = this.tensors.get(name);
    if (found) return found;
    throw new FileFormatError(`Reference case ${this.name}`, {
      given: `no tensor "${name}"`,
      expected: 'every tensor that its family has',
      remedy: 'Compare the file with one of the same family.',
    });
  }
}

/**
 * Every case below a folder, in alphabetical order; `other` are JSON files that are not objects.
 * @throws InvalidInputError when the folder does not exist.
 */
export function findCases(folder: string): { cases: ReferenceCase[]; other: string[] } {
  if (!existsSync(folder)) {
    throw new InvalidInputError('Reference folder', {
      given: folder,
      expected: 'a folder laid out like data/reference',
      remedy: 'Pass --reference DIR.',
    });
  }
  const cases: ReferenceCase[] = [];
  const other: string[] = [];
  const walk = (at: string) => {
    for (const entry of readdirSync(at, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = join(at, entry.name);
      if (entry.isDirectory()) walk(path);
      else if (entry.name.endsWith('.json')) {
        const json = readJson(path);
        const stem = path.slice(0, -'.json'.length);
        if (json) cases.push(new ReferenceCase(relative(folder, stem), stem, json));
        else other.push(relative(folder, path));
      } else if (entry.name.endsWith('.safetensors') && !existsSync(`${path.slice(0, -'.safetensors'.length)}.json`)) {
        other.push(relative(folder, path));
      }
    }
  };
  walk(folder);
  return { cases, other };
}

function readJson(path: string): Record<string, unknown> | undefined {
  try {
    const json: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return typeof json === 'object' && json !== null && !Array.isArray(json)
      ? (json as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

/** A `[batch, channels, height, width]` tensor as `[batch, height, width, channels]`, and back. */
export const channelsLast = (x: tf.Tensor): tf.Tensor4D => x.transpose([0, 2, 3, 1]) as tf.Tensor4D;
export const channelsFirst = (x: tf.Tensor): tf.Tensor4D => tf.transpose(x, [0, 3, 1, 2]) as tf.Tensor4D;
