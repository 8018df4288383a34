import { createDiffusion } from '../diffusion/gaussian-diffusion';
import type { ImageModel } from '../models/image-model';
import { decodingOperations, generationOperations } from '../models/operations';
import type { VaeConfig } from '../models/vae/vae-config';
import type { RefinementReport } from '../refinement/condition-refinement';

/** How the images of a run were sampled. */
export interface SampledHow {
  images: number;
  guidance: number;
  /** Steps of the reverse process; default the model's own. */
  respacing?: string;
  /** DDIM steps of a sampled prior. */
  priorSteps: number;
  report?: RefinementReport;
}

/**
 * Floating-point operations per image: generation and decoding counted from their products, and of a refinement what its report
 * says was done, that is costs and projections (2 rows targets width each), Sinkhorn (4 rows targets an iteration), sampled priors.
 */
export function runOperations(
  model: ImageModel,
  vae: VaeConfig,
  { images, guidance, respacing, priorSteps, report }: SampledHow,
): number {
  const { spec, steps, tokens, conditionWidth: width } = model;
  const denoisingSteps = respacing ? createDiffusion({ respacing }).steps : model.denoisingSteps;
  const generation = generationOperations(spec, { steps, denoisingSteps, guided: guidance !== 1 });
  const plain = generation + decodingOperations(vae);
  if (!report) return plain;
  const coupling = report.groups.reduce((sum, { rows, tokens, targets, iterations }) => {
    const each = iterations.map(({ solverIterations = 0 }) => 4 * width * tokens + 4 * solverIterations);
    return sum + rows * targets * each.reduce((all, x) => all + x, 0);
  }, 0);
  const once = (count: number) => generationOperations(spec, { steps, denoisingSteps: count, guided: false });
  const denoiserPerToken = (once(1) - once(0)) / tokens;
  return plain + (coupling + report.priors.rows * priorSteps * denoiserPerToken) / images;
}
