import { spawnSync } from 'node:child_process';
import { dirname, resolve } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { compile, type OnnxModel } from '../../compile';
import { writeFileAtomic } from '../../io/atomic-file';
import { NumericalError } from '../../runtime/errors';
import { type ExportedPart, exportedPart, partNames } from './exported-parts';
import { loadWeights, openModel } from './presets-load';

export interface ExportOptions {
  weights: string;
  preset?: string;
  key?: string;
  /** Default the first that the family has. */
  part?: string;
  batch: number;
  out: string;
}

/** What was written, and how far a fresh process is from eager, relative to the largest value. */
export interface ExportReport extends Omit<OnnxModel, 'bytes'> {
  out: string;
  part: string;
  about: string;
  origin: string;
  bytes: number;
  error: number;
  tolerance: number;
}

/** Forward passes of whole networks in float32, with products summed in another order. */
const TOLERANCE = 1e-4;

/** Writes a part of a model as an ONNX file and runs it in a fresh process; call `useBackend()` first. */
export function exportModel(options: ExportOptions): ExportReport {
  const model = openModel(options.weights, { preset: options.preset, key: options.key });
  const part = exportedPart(model.spec, options.part ?? partNames(model.spec.family)[0], options.batch);
  const parameters = loadWeights(model);
  try {
    const name = `${model.spec.family} ${part.name}`;
    const { bytes, ...description } = compile(part.fn, { name, freeze: parameters }).onnx(part.inputs);
    writeFileAtomic(options.out, (write) => write(bytes));
    const expected = tf.tidy(() => {
      const results = part.fn(exampleInputs(part), parameters);
      return Object.fromEntries(Object.entries(results).map(([key, x]) => [key, x.dataSync() as Float32Array]));
    });
    const error = largestDifference(expected, runElsewhere(options.out, part));
    const { about, name: partName } = part;
    return {
      ...description,
      out: options.out,
      part: partName,
      about,
      origin: model.origin,
      bytes: bytes.length,
      error,
      tolerance: TOLERANCE,
    };
  } finally {
    tf.dispose([...parameters.values()]);
  }
}

/** Arguments that two processes can both make. */
function exampleInputs(part: ExportedPart): Record<string, tf.Tensor> {
  return Object.fromEntries(
    Object.entries(part.inputs).map(([name, { shape, dtype }]) => {
      const size = shape.reduce((product, n) => product * n, 1);
      const data = Array.from({ length: size }, (_, i) => (dtype === 'int32' ? (37 * i) % 1000 : Math.sin(i + 1)));
      return [name, tf.tensor(data, shape, dtype)];
    }),
  );
}

/** Plain ONNX Runtime in a process of its own, with nothing of this project loaded. */
const SCRIPT = `
const ort = require('onnxruntime-node');
const { file, inputs } = JSON.parse(process.argv[1]);
(async () => {
  const session = await ort.InferenceSession.create(file);
  const feeds = {};
  for (const [name, { shape, dtype }] of Object.entries(inputs)) {
    const size = shape.reduce((product, n) => product * n, 1);
    const values = Array.from({ length: size }, (_, i) => (dtype === 'int32' ? (37 * i) % 1000 : Math.sin(i + 1)));
    feeds[name] = new ort.Tensor(dtype, dtype === 'int32' ? Int32Array.from(values) : Float32Array.from(values), shape);
  }
  const results = await session.run(feeds);
  const text = {};
  for (const [name, { data }] of Object.entries(results)) {
    text[name] = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64');
  }
  console.log(JSON.stringify(text));
})();
`;

function runElsewhere(file: string, { inputs }: ExportedPart): Record<string, Float32Array> {
  const argument = JSON.stringify({ file: resolve(file), inputs });
  const { stdout, stderr, status } = spawnSync(process.execPath, ['-e', SCRIPT, argument], {
    encoding: 'utf8',
    maxBuffer: 2 ** 30,
    cwd: dirname(require.resolve('onnxruntime-node/package.json')),
  });
  if (status !== 0) {
    throw new NumericalError(`The exported file ${file}`, {
      given: stderr.trim().split('\n').slice(-1)[0] ?? 'no message',
      expected: 'a file that ONNX Runtime runs',
      remedy: 'Do not use the file; the emitters in compile/ops have a defect.',
    });
  }
  return Object.fromEntries(
    Object.entries(JSON.parse(stdout) as Record<string, string>).map(([name, text]) => {
      const bytes = Buffer.from(text, 'base64');
      return [name, new Float32Array(Uint8Array.from(bytes).buffer)];
    }),
  );
}

function largestDifference(expected: Record<string, Float32Array>, got: Record<string, Float32Array>): number {
  let worst = 0;
  for (const [name, want] of Object.entries(expected)) {
    let largest = 0;
    let difference = 0;
    want.forEach((x, i) => {
      largest = Math.max(largest, Math.abs(x));
      const gap = Math.abs(x - got[name][i]);
      difference = Number.isNaN(gap) ? Number.POSITIVE_INFINITY : Math.max(difference, gap);
    });
    worst = Math.max(worst, difference / Math.max(largest, Number.MIN_VALUE));
  }
  return worst;
}
