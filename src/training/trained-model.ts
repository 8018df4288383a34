import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { writeFileAtomic } from '../io/atomic-file';
import { damaged } from '../io/byte-source';
import { requireChecksum, withChecksum } from '../io/checksum';
import { saveParameters, toTensor } from '../io/parameters';
import { readSafetensors } from '../io/safetensors';
import { fingerprint } from '../models/files/fingerprint';
import { FileFormatError, InvalidInputError } from '../runtime/errors';
import type { Parameters } from '../runtime/parameters';

/** How weights came to be; written beside them as JSON. */
export interface Provenance {
  model: string;
  /** What made it: command, seed and commit of the code (`-dirty` when files had changed since). */
  command: string;
  seed: number;
  commit: string;
  date: string;
  backend: string;
  profile: string;
  data: { name: string; images: number; size: number; classes: string[]; hash: string };
  /** Hashes of weights that this training built on, such as the VAE of a token model. */
  madeWith?: Record<string, string>;
  /** Checksum of the weights' file: the JSON belongs to these weights alone. Absent before they are saved. */
  weights?: string;
  config: unknown;
  options: unknown;
  parameters: number;
  steps: number;
  imagesSeen: number;
  seconds: number;
  /** Mean loss of consecutive windows, at the window's last step. */
  losses: { step: number; loss: number }[];
  /** Measured on images that were not trained on, unless said otherwise. */
  measured?: Record<string, number>;
}

/** Weights with the configuration that they fit and, where the JSON file is beside them, their provenance. */
export interface TrainedModel<Config> {
  model: string;
  config: Config;
  /** The caller disposes of them. */
  parameters: Parameters;
  provenance?: Provenance;
}

/** Where the shipped checkpoints are, in the project folder. */
export const CHECKPOINTS = 'data/checkpoints';

/** A folder as files are opened: the `shipped` one is the project's wherever a command is called from, others the caller's. */
export function shippedFolder(folder: string, shipped: string): string {
  return folder === shipped ? relative(process.cwd(), join(__dirname, '..', '..', shipped)) || '.' : folder;
}

/** The same for a folder of checkpoints. */
export function checkpointFolder(folder = CHECKPOINTS): string {
  return shippedFolder(folder, CHECKPOINTS);
}

/** Writes `folder/name.safetensors` (weights, model name and configuration) and `folder/name.json` (provenance), with checksums. */
export function saveTrainedModel(folder: string, parameters: Parameters, provenance: Provenance): string {
  const path = join(folder, `${provenance.model}.safetensors`);
  saveParameters(path, parameters, { model: provenance.model, config: JSON.stringify(provenance.config) });
  const described = withChecksum({ ...provenance, weights: readSafetensors(path).checksum });
  const text = new TextEncoder().encode(`${JSON.stringify(described, null, 2)}\n`);
  writeFileAtomic(path.replace(/\.safetensors$/, '.json'), (write) => write(text));
  return path;
}

/**
 * Loads weights that `saveTrainedModel` wrote; call `useBackend()` first.
 * @param what a model name (`vae`, `mar`, `ar`, `cdm`, `classifier`), looked up in `folder`, or a path to a .safetensors file
 * @throws FileFormatError for weights without a configuration or with a wrong checksum, or beside a .json of other weights or with
 * a wrong checksum; MissingDependencyError when absent
 */
export function loadTrainedModel<Config>(what: string, folder = CHECKPOINTS): TrainedModel<Config> {
  const path = what.endsWith('.safetensors') ? what : join(checkpointFolder(folder), `${what}.safetensors`);
  const { metadata, tensors, verify } = readSafetensors(path);
  verify();
  if (!metadata.config || !metadata.model) {
    throw new FileFormatError(path, {
      given: 'weights without a configuration in their metadata',
      expected: 'a file made by `cer train`',
      remedy: 'Use `cer inspect` to see what it holds; weights from elsewhere need a preset (`cer sample --preset`).',
    });
  }
  return {
    model: metadata.model,
    config: JSON.parse(metadata.config) as Config,
    provenance: readProvenance(path),
    parameters: new Map([...tensors].map(([name, tensor]) => [name, toTensor(tensor)])),
  };
}

/**
 * Refuses an autoencoder where a model's provenance says that it was trained on the latents of another: they mean other images.
 * @param weights path of the model, @param vae path of the autoencoder, for the message
 * @throws InvalidInputError naming both.
 */
export function requireMadeWith(
  weights: string,
  provenance: Provenance | undefined,
  vae: string,
  vaeParameters: Parameters,
): void {
  const expected = provenance?.madeWith?.vae;
  if (expected === undefined) return;
  const given = fingerprint(vaeParameters);
  if (given === expected) return;
  throw new InvalidInputError(`Autoencoder of ${weights}`, {
    given: `${vae} with the weights ${given}`,
    expected: `the weights ${expected}, with which the model was trained (see madeWith in its .json)`,
    remedy: 'Name the autoencoder of that training, or train the model on the latents of this one.',
  });
}

/**
 * The provenance beside a weight file, where there is one: weights are usable without it.
 * @throws FileFormatError for one that changed since it was written, or of other weights
 */
export function readProvenance(weights: string): Provenance | undefined {
  if (!weights.endsWith('.safetensors')) return undefined;
  const path = weights.replace(/\.safetensors$/, '.json');
  const remedy = 'Restore it from a copy, or remove it: the weights are usable without it.';
  if (!existsSync(path)) return undefined;
  let stored: (Provenance & { checksum?: string }) | null;
  try {
    stored = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw damaged(path, `text that does not parse (${(error as Error).message})`, 'JSON', remedy);
  }
  if (typeof stored !== 'object' || stored === null)
    throw damaged(path, JSON.stringify(stored), 'a JSON object', remedy);
  if (!stored.checksum && !stored.weights) return stored; // by somebody else
  const provenance = requireChecksum<Provenance>(path, stored, remedy);
  const { checksum } = readSafetensors(weights);
  if (provenance.weights === checksum) return provenance;
  throw damaged(path, `the provenance of weights ${provenance.weights}`, `that of ${weights}, ${checksum}`, remedy);
}

/** The commit of the code that runs, with `-dirty` when a loaded source file differs from it; `unknown` outside a repository. */
export function currentCommit(): string {
  const git = (...args: string[]) =>
    execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  try {
    const loaded = Object.keys(require.cache).filter((file) => file.endsWith('.ts') && !file.includes('node_modules'));
    const changed = git('status', '--porcelain', '--', ...loaded).trim() !== '';
    return git('rev-parse', 'HEAD').trim() + (changed ? '-dirty' : '');
  } catch {
    return 'unknown';
  }
}

/** Mean losses of about `windows` consecutive windows. */
export function lossCurve(losses: Float64Array, windows = 60): { step: number; loss: number }[] {
  const length = Math.max(1, Math.ceil(losses.length / windows));
  const curve: { step: number; loss: number }[] = [];
  for (let from = 0; from < losses.length; from += length) {
    const window = losses.subarray(from, from + length);
    const loss = window.reduce((sum, x) => sum + x, 0) / window.length;
    curve.push({ step: from + window.length, loss: Number(loss.toPrecision(6)) });
  }
  return curve;
}
