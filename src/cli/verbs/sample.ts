import type { Command } from 'commander';
import type { OpenModel } from '../../models/files/presets-load';
import type { GenerationRequest } from '../../models/image-model';
import type { MarModelOptions } from '../../models/mar/mar-model';
import type { Autoencoder } from '../../models/vae/autoencoder';
import { InvalidInputError } from '../../runtime/errors';

interface SampleOptions {
  weights: string;
  preset?: string;
  config?: string;
  key?: string;
  vae?: string;
  class?: string;
  count: string;
  batch?: string;
  seed: string;
  out: string;
  cfg: string;
  cfgSchedule: string;
  steps?: string;
  orders: string;
  diffusionSteps?: string;
  ddim?: boolean;
  temperature: string;
  dryRun?: boolean;
  json?: boolean;
}

/** `cer sample`: images from a weight file. */
export function register(program: Command): void {
  program
    .command('sample')
    .description('generate images (or latents) with weights from a file')
    .requiredOption('--weights <file>', 'generator: .safetensors or .pth (its model_ema, unless --key says otherwise)')
    .option('--preset <name>', "mar-b, mar-l, mar-h, ar-xl, ...; default the file's own configuration, or what fits")
    .option('--config <json>', 'fields that differ from the preset, e.g. {"samplingSteps":"50"}')
    .option('--key <name>', 'which weights of a checkpoint, e.g. model')
    .option('--vae <file>', 'autoencoder that decodes the latents; needed for images')
    .option('--class <labels>', 'class numbers, separated by commas, used in turn (default: no class)')
    .option('--count <n>', 'number of images', '4')
    .option('--batch <n>', 'images generated together (default: 8192 tokens, or 8 images of a large model)')
    .option('--seed <n>', 'the same seed, count and batch give the same images', '0')
    .option('--out <file>', 'a .png grid, a folder for one .png per image, or a .npz of scaled latents', 'samples.png')
    .option('--cfg <scale>', 'classifier-free guidance, 1 = none', '1')
    .option('--cfg-schedule <kind>', 'linear or constant', 'linear')
    .option('--steps <n>', 'generation steps of MAR (default: 64, or 8 for up to 64 tokens)')
    .option('--orders <kind>', "MAR's random token order: shared by all images, or own for each", 'shared')
    .option('--diffusion-steps <n>', 'steps per token: N, ddimN, or N..M for fewer as more tokens are known')
    .option('--ddim', 'deterministic DDIM instead of ancestral sampling')
    .option('--temperature <t>', 'scale of the noise of each step', '1')
    .option('--dry-run', 'check files, names and options, show what would be done and an estimate, and stop')
    .option('--json', 'print only one object on standard output')
    .addHelpText(
      'after',
      `
If weights are missing or unexpected, the error lists all of them, with a suggestion.

Example:
  cer sample --weights data/checkpoints/mar.safetensors --vae data/checkpoints/vae.safetensors --class 0,1,2 --count 9
  cer sample --weights mar-b.safetensors --preset mar-b --vae kl16.safetensors --class 207 --cfg 2.9 --out dog.png
  cer sample --weights runs/mine/mar.safetensors --vae runs/mine/vae.safetensors --class 0,1 --count 200 --out samples`,
    )
    .action(async (options: SampleOptions) => {
      const { openModel } = await import('../../models/files/presets-load');
      const model = openModel(options.weights, {
        preset: options.preset,
        config: options.config === undefined ? undefined : jsonObject(options.config),
        key: options.key,
      });
      const vae = options.vae === undefined ? undefined : openModel(options.vae);
      const plan = await makePlan(options, model, vae);
      await withAutoencoder(options, vae, async (decoder) => {
        if (options.dryRun) return dryRun(options, plan, model, vae);
        if (!options.json) console.log(plan.text);
        await run(options, plan, model, options.out.endsWith('.npz') ? undefined : decoder);
        if (options.json) console.log(JSON.stringify(plan.report, null, 2));
        else console.log(`${options.out}: ${plan.labels.length} samples`);
      });
    });
}

interface Plan {
  labels: Int32Array;
  batch: number;
  seed: number;
  generation: Omit<GenerationRequest, 'labels' | 'key'>;
  /** Of MAR. */
  model: Pick<MarModelOptions, 'steps' | 'orders'>;
  text: string;
  report: Record<string, unknown>;
}

async function makePlan(options: SampleOptions, model: OpenModel, vae?: OpenModel): Promise<Plan> {
  const { countParameters } = await import('../../models/presets');
  const { tokenCount } = await import('../../models/mar/mar-config');
  const { spec, origin, key } = model;
  if (spec.family === 'vae') throw refusal('--weights', 'an autoencoder', 'a generator; pass the autoencoder as --vae');
  if (vae && vae.spec.family !== 'vae')
    throw refusal('--vae', `a model of family ${vae.spec.family}`, 'an autoencoder');
  const channels = vae?.spec.family === 'vae' ? vae.spec.config.latentChannels : spec.config.latentChannels;
  if (channels !== spec.config.latentChannels) {
    throw refusal('--vae', `${channels} latent channels`, `${spec.config.latentChannels}, as the generator makes`);
  }
  const { samplesForm } = await import('../samples-file');
  const form = samplesForm(options.out);
  if (!form) throw refusal('--out', options.out, 'a name in .png or .npz, or a folder');
  if (form !== 'latents' && !vae) {
    throw refusal('--out', `${options.out} without --vae`, 'an autoencoder to decode with, or a .npz');
  }
  if (!['linear', 'constant'].includes(options.cfgSchedule)) {
    throw refusal('--cfg-schedule', options.cfgSchedule, 'linear or constant');
  }
  const count = integer('--count', options.count, 1, 100_000);
  const given = options.class?.split(',').map((label) => integer('--class', label, 0, spec.config.classes - 1));
  const labels = Int32Array.from({ length: count }, (_, i) => (given ? given[i % given.length] : -1));
  const tokens = tokenCount(spec.config);
  const generation: Plan['generation'] = {
    guidance: decimal('--cfg', options.cfg, 0, 100),
    guidanceSchedule: options.cfgSchedule as 'linear' | 'constant',
    respacing: await diffusionSteps(options.diffusionSteps),
    method: options.ddim ? 'ddim' : 'ancestral',
    temperature: decimal('--temperature', options.temperature, 0, 10),
  };
  if (options.orders !== 'shared' && options.orders !== 'own')
    throw refusal('--orders', options.orders, 'shared or own');
  const steps = options.steps === undefined ? undefined : integer('--steps', options.steps, 1, tokens);
  if (!given && generation.guidance !== 1) throw refusal('--cfg', options.cfg, '1 without a class, or a --class');
  const parameters = countParameters(spec) + (vae ? countParameters(vae.spec) : 0);
  const report = {
    weights: options.weights,
    key,
    family: spec.family,
    configuration: origin,
    parameters,
    memoryMegabytes: Math.ceil((4 * parameters) / 2 ** 20),
    tokens,
    count,
    out: options.out,
    dryRun: options.dryRun === true,
  };
  const text = [
    `${options.weights}${key ? ` (${key})` : ''}: ${spec.family}, ${origin}; every weight is there`,
    `${count} images of ${tokens} tokens; ${parameters.toLocaleString('en')} weights, ${report.memoryMegabytes} MiB`,
  ].join('\n');
  const batch =
    options.batch === undefined
      ? defaultBatch(count, tokens, countParameters(spec))
      : integer('--batch', options.batch, 1, 10_000);
  const seed = integer('--seed', options.seed, 0, Number.MAX_SAFE_INTEGER);
  return { labels, batch, seed, generation, model: { steps, orders: options.orders }, text, report };
}

/** Equal batches, so that one set of graphs serves all: of up to 8192 tokens, or of 8 images where the weights are large. */
function defaultBatch(count: number, tokens: number, parameters: number): number {
  const most = parameters > 8e6 ? 8 : Math.max(8, Math.floor(8192 / tokens));
  const each = Math.ceil(count / Math.ceil(count / most));
  return Math.min(most, 8 * Math.ceil(each / 8));
}

/** Loads the autoencoder, if any, for `use`. @throws InvalidInputError where the generator was trained with another. */
async function withAutoencoder(
  options: SampleOptions,
  model: OpenModel | undefined,
  use: (decoder?: Autoencoder) => Promise<void>,
): Promise<void> {
  if (model?.spec.family !== 'vae') return use();
  const tf = await import('@tensorflow/tfjs');
  const { useBackend } = await import('../../runtime/backend');
  const { compileModel, releaseCompiled } = await import('../../models/compiled/compile-model');
  const { loadWeights } = await import('../../models/files/presets-load');
  const { autoencoder } = await import('../../models/vae/autoencoder');
  const { readProvenance, requireMadeWith } = await import('../../training/trained-model');
  await useBackend();
  const weights = compileModel(loadWeights(model));
  try {
    requireMadeWith(options.weights, readProvenance(options.weights), options.vae as string, weights);
    await use(autoencoder(weights, model.spec.config));
  } finally {
    releaseCompiled(weights);
    tf.dispose([...weights.values()]);
  }
}

/** The checks and settings of a run, and an estimate of its cost; only the weights' headers are read. */
async function dryRun(options: SampleOptions, plan: Plan, model: OpenModel, vae?: OpenModel): Promise<void> {
  const { estimateSampling } = await import('../../study/dry-run');
  const { createDiffusion } = await import('../../diffusion/gaussian-diffusion');
  const { defaultSteps } = await import('../../models/mar/mar-config');
  const { dryRunText } = await import('../dry-run');
  const { respacing, guidance, ...rest } = plan.generation;
  const { config, family } = model.spec;
  const own = family === 'vae' ? '100' : config.samplingSteps;
  // With fewer steps as more tokens are known, the mean of the first and the last.
  const spacing = (step: number) => (typeof respacing === 'function' ? respacing(step, 2) : (respacing ?? own));
  const [first, last] = [0, 1].map((step) => createDiffusion({ respacing: spacing(step) }).steps);
  const denoisingSteps = (first + last) / 2;
  const decoder = vae?.spec.family === 'vae' && !options.out.endsWith('.npz') ? vae.spec.config : undefined;
  const steps = family === 'mar' ? (plan.model.steps ?? defaultSteps(config)) : undefined;
  const estimate = estimateSampling(model.spec, decoder, {
    steps,
    denoisingSteps,
    guided: guidance !== 1,
    count: plan.labels.length,
  });
  const configuration = {
    ...plan.report,
    key: plan.report.key || null,
    vae: options.vae ?? null,
    classes: plan.labels[0] < 0 ? null : [...new Set(plan.labels)],
    batch: plan.batch,
    seed: plan.seed,
    guidance,
    ...rest,
    steps: steps ?? null,
    orders: family === 'mar' ? plan.model.orders : null,
    denoisingSteps,
    model: config,
  };
  if (options.json) console.log(JSON.stringify({ ...configuration, estimate }, null, 2));
  else console.log(`${plan.text}\n${dryRunText(configuration, estimate)}`);
}

/** Generates as every experiment does: an `ImageModel` with its defaults, compiled. */
async function run(options: SampleOptions, plan: Plan, model: OpenModel, decoder?: Autoencoder): Promise<void> {
  const tf = await import('@tensorflow/tfjs');
  const { useBackend } = await import('../../runtime/backend');
  const { compileGenerator, releaseCompiled } = await import('../../models/compiled/compile-model');
  const { loadWeights } = await import('../../models/files/presets-load');
  const { makeImageModel } = await import('../../models/make-image-model');
  const { foldIn, key } = await import('../../runtime/random');
  const { ProgressLine } = await import('../progress-line');
  const { writeSamples } = await import('../samples-file');
  const { abortOnInterrupt } = await import('../../runtime/interrupt');
  const progress = new ProgressLine();
  await useBackend();
  const weights = compileGenerator(loadWeights(model));
  try {
    const generator = makeImageModel(weights, model.spec, plan.model);
    const chunks: Float32Array[] = [];
    let shape: number[] = [];
    for (let from = 0; from < plan.labels.length; from += plan.batch) {
      const labels = plan.labels.slice(from, from + plan.batch);
      const latents = await generator.generate({ ...plan.generation, labels, key: foldIn(key(plan.seed), from) });
      const result = decoder ? decoder.decode(latents) : latents;
      shape = result.shape.slice(1);
      chunks.push((await result.data()) as Float32Array);
      tf.dispose([latents, result]);
      const made = from + labels.length;
      progress.show(`${made} of ${plan.labels.length} samples`, made === plan.labels.length);
    }
    const { release } = abortOnInterrupt(); // a file that is being written is completed
    await writeSamples(options.out, { chunks, shape, labels: [...plan.labels] });
    release();
  } finally {
    releaseCompiled(weights);
    tf.dispose([...weights.values()]);
  }
}

/** `N`, `ddimN` (see `spaceTimesteps`), or `N..M` for fewer steps as more tokens are known. */
async function diffusionSteps(given: string | undefined): Promise<GenerationRequest['respacing']> {
  if (given === undefined || /^ddim\d+$/.test(given)) return given;
  const [first, last] = given.split('..').map((part) => integer('--diffusion-steps', part, 1, 1000));
  if (last === undefined) return String(first);
  const { fewerSteps } = await import('../../models/token-sampler');
  return fewerSteps(first, last);
}

function jsonObject(text: string): Record<string, unknown> {
  try {
    const value = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch {
    // said below
  }
  throw refusal('--config', text, 'a JSON object');
}

function integer(name: string, given: string, least: number, most: number): number {
  const value = Number(given);
  if (given.trim() !== '' && Number.isInteger(value) && value >= least && value <= most) return value;
  throw refusal(name, given, `a whole number from ${least} to ${most}`);
}

function decimal(name: string, given: string, least: number, most: number): number {
  const value = Number(given);
  if (given.trim() !== '' && value >= least && value <= most) return value;
  throw refusal(name, given, `a number from ${least} to ${most}`);
}

function refusal(name: string, given: string, expected: string): InvalidInputError {
  return new InvalidInputError(`Option ${name}`, { given, expected, remedy: 'See cer sample --help.' });
}
