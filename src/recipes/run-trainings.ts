import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { CerError } from '../runtime/errors';
import { checkpointFolder } from '../training/trained-model';
import type { TrainedModelName } from './profiles';
import { type Variant, variantFolder, variantSchema } from './variants';

/** One run of `cer train`: models that go to one folder. */
export interface Training {
  models: TrainedModelName[];
  variant: Variant;
}

/** Seed of the training on which everything is chosen but MAR's refinement, which is chosen on three: what was best on one did not carry over. */
export const CHOICE_SEED = 0;
export const MAR_CHOICE_SEEDS: readonly number[] = [0, 6, 7];
/** Seeds of training that are reported. */
export const REPORTED_SEEDS: readonly number[] = [1, 2, 3, 4, 5];

const training = (models: TrainedModelName[], variant: Partial<Variant> = {}): Training => ({
  models,
  variant: variantSchema.parse(variant),
});

/** What the study needs beside autoencoder and classifier, the long ones first; fine-tunes last, since they go on from others. */
export const TRAININGS: readonly Training[] = [
  training(['mar', 'ar'], { resolution: 64 }),
  training(['mar', 'ar'], { size: 'wide' }),
  ...[CHOICE_SEED, ...REPORTED_SEEDS].map((seed) => training(['mar', 'ar', 'cdm'], { seed })),
  ...MAR_CHOICE_SEEDS.filter((seed) => seed !== CHOICE_SEED).map((seed) => training(['mar'], { seed })),
  training(['mar', 'ar'], { size: 'narrow' }),
  ...(['continued', 'own-history', 'coupled'] as const).map((fineTune) =>
    training(['ar'], { seed: REPORTED_SEEDS[0], fineTune }),
  ),
];

export interface TrainingsOptions {
  profile: string;
  /** Folder of all checkpoints. */
  out: string;
  /** Processes at a time; default one per core. */
  parallel?: number;
  signal?: AbortSignal;
  onText?: (text: string) => void;
}

/** Arguments of `cer` for one training. */
export function trainingArguments({ models, variant }: Training, { profile, out }: TrainingsOptions): string[] {
  const { seed, size, resolution, fineTune } = variant;
  const folder = variantFolder(variant, out);
  const options = { profile, seed, size, resolution, vae: checkpointFolder(out), out: folder };
  const plain = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const from = variantFolder({ ...variant, fineTune: 'none' }, out);
  const more = fineTune === 'none' ? [] : ['--fine-tune', fineTune, '--from', from];
  return ['train', '--model', models.join(','), ...plain, ...more, '--resume'];
}

/** The models of a training that are not there yet. */
export function missingModels({ models, variant }: Training, out: string): TrainedModelName[] {
  return models.filter((model) => !existsSync(join(variantFolder(variant, out), `${model}.safetensors`)));
}

/**
 * Makes the trainings whose weights are missing, each a process of its own with one thread; interrupted, the next call goes on
 * where they were. Autoencoder and classifier come first, alone.
 * @throws CerError when a training fails, with the end of what it said.
 */
export async function runTrainings(list: readonly Training[], options: TrainingsOptions): Promise<void> {
  const { out, parallel = availableParallelism(), signal, onText } = options;
  const base = training(['vae', 'classifier']);
  const runAll = async (all: readonly Training[], threads: number | undefined) => {
    const waiting = all.flatMap((each) => {
      const models = missingModels(each, out);
      return models.length > 0 ? [{ ...each, models }] : [];
    });
    const lane = async () => {
      for (let next = waiting.shift(); next && !signal?.aborted; next = waiting.shift()) {
        const args = trainingArguments(next, options);
        const started = performance.now();
        onText?.(`training ${next.models.join(', ')} in ${variantFolder(next.variant, out)}`);
        await runCer(args, threads, signal);
        onText?.(
          `  ${variantFolder(next.variant, out)}: ${((performance.now() - started) / 60_000).toFixed(1)} minutes`,
        );
      }
    };
    await Promise.all(Array.from({ length: threads ? parallel : 1 }, lane));
  };
  await runAll([base], undefined);
  await runAll(
    list.filter(({ variant }) => variant.fineTune === 'none'),
    1,
  );
  await runAll(
    list.filter(({ variant }) => variant.fineTune !== 'none'),
    1,
  );
}

function runCer(args: string[], threads: number | undefined, signal?: AbortSignal): Promise<void> {
  const cer = join(__dirname, '..', '..', 'bin', 'cer.cjs');
  const env = { ...process.env, ...(threads ? { CER_THREADS: String(threads) } : {}) };
  // Detached, so that Ctrl-C reaches it once, through us; with a channel, so that it stops when this process is gone.
  const child = spawn(process.execPath, [cer, ...args], {
    env,
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    detached: true,
  });
  const stop = () => child.kill('SIGINT'); // it saves its state
  signal?.addEventListener('abort', stop, { once: true });
  let said = '';
  child.stderr?.on('data', (text) => {
    said = `${said}${text}`.slice(-2000);
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (status) => {
      signal?.removeEventListener('abort', stop);
      if (status === 0 || signal?.aborted) return resolve();
      const command = `cer ${args.join(' ')}`;
      reject(
        new CerError('training-failed', `Training (${command})`, {
          given: `exit status ${status}: ${said.trim().split('\n').slice(-3).join(' ')}`,
          expected: 'a finished training',
          remedy: 'Run the command alone to see what it says; the study goes on where it stopped.',
        }),
      );
    });
  });
}
