import type { CausalArConfig } from './ar/causal-ar';
import { defaultSteps, headConfig, type MarConfig, tokenChannels, tokenCount } from './mar/mar-config';
import { cosineMaskCounts } from './mar/masking';
import type { ModelSpec } from './presets';
import { decoderStages, type VaeConfig } from './vae/vae-config';

/** What the cost of a generation depends on besides the model. */
export interface GenerationCost {
  /** Generation steps of MAR; default `defaultSteps`. */
  steps?: number;
  /** Steps of the reverse process. */
  denoisingSteps: number;
  /** Whether guidance doubles the batch. */
  guided: boolean;
}

/** Floating-point operations of generating one sample's latents, counted from the products alone; within about a tenth. */
export function generationOperations(spec: ModelSpec, cost: GenerationCost): number {
  const once = spec.family === 'vae' ? 0 : operationsOf(spec, cost);
  return cost.guided ? 2 * once : once;
}

function operationsOf(spec: Exclude<ModelSpec, { family: 'vae' }>, { steps, denoisingSteps }: GenerationCost): number {
  const tokens = tokenCount(spec.config);
  if (spec.family === 'cdm') {
    const { width, depth, mlpRatio } = spec.config;
    return denoisingSteps * transformer(width, depth, mlpRatio, tokens, tokens);
  }
  const head = tokens * denoisingSteps * headOperations(spec.config);
  if (spec.family === 'ar') {
    const { width, depth, mlpRatio } = spec.config;
    return head + transformer(width, depth, mlpRatio, tokens, tokens / 2); // each token looks at those before it
  }
  const { bufferSize, mlpRatio } = spec.config;
  const counts = cosineMaskCounts(tokens, steps ?? defaultSteps(spec.config));
  let sum = head;
  counts.forEach((_, step) => {
    const known = bufferSize + tokens - (step === 0 ? tokens : counts[step - 1]);
    const all = bufferSize + tokens;
    sum += transformer(spec.config.encoderWidth, spec.config.encoderDepth, mlpRatio, known, known);
    sum += transformer(spec.config.decoderWidth, spec.config.decoderDepth, mlpRatio, all, all);
  });
  return sum;
}

/** Blocks over `rows` rows, each attending to `seen` rows. */
function transformer(width: number, depth: number, mlpRatio: number, rows: number, seen: number): number {
  return 2 * depth * rows * ((4 + 2 * mlpRatio) * width ** 2 + 2 * seen * width);
}

/** One evaluation of the denoising MLP on one token; its part that depends on the condition alone is left out. */
function headOperations(config: MarConfig | CausalArConfig): number {
  const channels = tokenChannels(config);
  const { width, depth } =
    'decoderWidth' in config ? headConfig(config) : { width: config.headWidth, depth: config.headDepth };
  return 2 * (depth * 5 * width ** 2 + 2 * width ** 2 + 3 * channels * width);
}

/** Floating-point operations of decoding one image, counted from the convolutions. */
export function decodingOperations(config: VaeConfig): number {
  let pixels = (config.resolution / 2 ** (config.multipliers.length - 1)) ** 2;
  let sum = 0;
  const convolve = (from: number, to: number, size = 3) => {
    sum += 2 * size * size * from * to * pixels;
  };
  const widest = config.width * config.multipliers[config.multipliers.length - 1];
  convolve(config.bottleneck, widest);
  for (const stage of decoderStages(config)) {
    if (stage.kind === 'residual') {
      convolve(stage.from, stage.to);
      convolve(stage.to, stage.to);
    } else if (stage.kind === 'attention') {
      convolve(stage.from, 4 * stage.from, 1);
      sum += 4 * pixels ** 2 * stage.from;
    } else {
      pixels *= 4;
      convolve(stage.from, stage.from);
    }
  }
  convolve(config.width * config.multipliers[0], config.imageChannels);
  return sum;
}
