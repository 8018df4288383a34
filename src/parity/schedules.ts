import { createDiffusion, type DiffusionTables } from '../diffusion/gaussian-diffusion';
import { spaceTimesteps } from '../diffusion/respacing';
import type { NoiseSchedule } from '../diffusion/schedule';
import { truncatedCdf, truncatedPdf, truncatedQuantile } from '../models/blocks/truncated-normal';
import { cosineMaskCounts, guidanceAt, maskedCount } from '../models/mar/masking';
import { CerError } from '../runtime/errors';
import { learningRateAt } from '../training/schedule';
import { TOLERANCE } from './comparison';
import type { Runner } from './runner';

const TABLE_NAMES: Record<string, keyof DiffusionTables> = {
  betas: 'betas',
  alphas_cumprod: 'alphaBar',
  alphas_cumprod_prev: 'alphaBarPrevious',
  alphas_cumprod_next: 'alphaBarNext',
  sqrt_alphas_cumprod: 'sqrtAlphaBar',
  sqrt_one_minus_alphas_cumprod: 'sqrtOneMinusAlphaBar',
  log_one_minus_alphas_cumprod: 'logOneMinusAlphaBar',
  sqrt_recip_alphas_cumprod: 'sqrtReciprocalAlphaBar',
  sqrt_recipm1_alphas_cumprod: 'sqrtReciprocalMinusOne',
  posterior_variance: 'posteriorVariance',
  posterior_log_variance_clipped: 'posteriorLogVarianceClipped',
  posterior_mean_coef1: 'posteriorMeanOfStart',
  posterior_mean_coef2: 'posteriorMeanOfNoised',
  log_betas: 'logBetas',
};

/** Tables of a diffusion process. */
export const diffusionTables: Runner = {
  family: 'diffusion schedule',
  matches: ({ json }) => Array.isArray(json.betas) && Array.isArray(json.timestep_map),
  run: (given, compare) => {
    const respacing = given.part<string>('respacing');
    const diffusion = createDiffusion({
      noiseSchedule: given.part<NoiseSchedule>('noise_schedule'),
      trainSteps: given.part<number>('base_steps'),
      respacing: respacing.startsWith('none') ? '' : respacing,
    });
    compare.equal('timestep_map', diffusion.timestepMap, given.part<number[]>('timestep_map'));
    for (const [name, table] of Object.entries(TABLE_NAMES)) {
      if (!(name in given.json)) continue;
      const expected = given.part<number[]>(name);
      // Entries that are differences of nearly equal numbers are measured against a thousandth of the table.
      const floor = 1e-3 * Math.max(...expected.map(Math.abs));
      compare.entries(name, diffusion.tables[table], expected, TOLERANCE.table, floor);
    }
  },
};

/** Respacing strings, accepted and refused. */
export const timestepMaps: Runner = {
  family: 'timestep maps',
  matches: ({ json }) => Object.keys(json).some((name) => /^of_\d+$/.test(name)),
  run: (given, compare) => {
    for (const name of Object.keys(given.json).filter((key) => /^of_\d+$/.test(key))) {
      for (const [respacing, kept] of Object.entries(given.part<Record<string, number[]>>(name))) {
        compare.equal(`${name} "${respacing}"`, spaceTimesteps(Number(name.slice(3)), respacing), kept);
      }
    }
    const verdicts = given.part<Record<string, string> | undefined>('rejected_by_reference') ?? {};
    for (const [respacing, verdict] of Object.entries(verdicts)) {
      compare.equal(`refuses "${respacing}"`, [refuses(respacing)], [verdict.startsWith('error')]);
    }
    const linear = given.part<Record<string, number[]> | undefined>('linear_schedule_first_last');
    if (!linear) return;
    const { betas, alphaBar } = createDiffusion({ noiseSchedule: 'linear' }).tables;
    compare.entries('linear betas, first', betas.slice(0, 3), linear.betas_first3, TOLERANCE.table);
    compare.entries('linear betas, last', betas.slice(-3), linear.betas_last3, TOLERANCE.table);
    compare.entries('linear alphas_cumprod, last', alphaBar.slice(-3), linear.alphas_cumprod_last3, TOLERANCE.table);
  },
};

function refuses(respacing: string): boolean {
  try {
    spaceTimesteps(1000, respacing);
    return false;
  } catch (error) {
    if (error instanceof CerError) return true;
    throw error;
  }
}

interface RateRun {
  lr: number[];
  min_lr: number;
  warmup_epochs: number;
  epochs: number;
  lr_schedule: 'constant' | 'cosine';
  epoch: number[];
}

/** Learning rates over fractional epochs. */
export const learningRates: Runner = {
  family: 'learning rate',
  matches: ({ json }) => firstRun(json)?.lr_schedule !== undefined,
  run: (given, compare) => {
    given.part<RateRun[]>('runs').forEach((run, index) => {
      const base = baseRate(run);
      const rates = run.epoch.map((epoch) =>
        learningRateAt(epoch, {
          base,
          warmup: run.warmup_epochs,
          shape: run.lr_schedule,
          total: run.epochs,
          minimum: run.min_lr,
        }),
      );
      const label = `run ${index} (${run.lr_schedule}, warm-up ${run.warmup_epochs} of ${run.epochs})`;
      compare.entries(label, rates, run.lr, TOLERANCE.table, base * 1e-3);
    });
  },
};

/** The rate after the warm-up is not stored: any point of the warm-up gives it, else the largest rate. */
function baseRate({ lr, epoch, warmup_epochs: warmup }: RateRun): number {
  const during = epoch.findIndex((at) => at > 0 && at < warmup);
  return during < 0 ? Math.max(...lr) : (lr[during] * warmup) / epoch[during];
}

interface MaskRun {
  num_iter: number;
  seq_len: number;
  masked_before: number[];
  predicted: number[];
  masked_after_formula: number[];
  [guidance: `cfg_linear_for_cfg_${number}`]: number[];
}

interface MaskRatio {
  min: number;
  quantile_p: number[];
  quantile: number[];
  x: number[];
  cdf: number[];
  pdf: number[];
  num_masked_at_quantile: Record<string, number[]>;
}

/** Numbers of tokens masked while generating, guidance, and the law of the training mask ratio. */
export const masking: Runner = {
  family: 'masking',
  matches: ({ json }) => firstRun(json)?.masked_before !== undefined,
  run: (given, compare) => {
    for (const run of given.part<MaskRun[]>('runs')) {
      const label = `${run.num_iter} steps of ${run.seq_len} tokens`;
      const after = cosineMaskCounts(run.seq_len, run.num_iter);
      const before = [run.seq_len, ...after.slice(0, -1)];
      compare.equal(`${label}: masked after`, after, run.masked_after_formula);
      compare.equal(`${label}: masked before`, before, run.masked_before);
      const predicted = before.map((masked, i) => (i === before.length - 1 ? masked : masked - after[i]));
      compare.equal(`${label}: predicted`, predicted, run.predicted);
      for (const name of Object.keys(run).filter((key) => key.startsWith('cfg_linear_for_cfg_'))) {
        const scale = Number(name.slice('cfg_linear_for_cfg_'.length));
        const guidance = after.map((masked) => guidanceAt('linear', scale, run.seq_len, masked));
        compare.entries(`${label}: ${name}`, guidance, run[name as keyof MaskRun] as number[], TOLERANCE.table);
      }
    }
    const ratio = given.part<MaskRatio | undefined>('mask_ratio');
    if (!ratio) return;
    const law = { mean: 1, std: 0.25, low: ratio.min, high: 1 };
    const quantiles = ratio.quantile_p.map((p) => truncatedQuantile(law, p));
    compare.entries('mask ratio: quantile', quantiles, ratio.quantile, TOLERANCE.table);
    compare.largest(
      'mask ratio: cdf',
      ratio.x.map((x) => truncatedCdf(law, x)),
      ratio.cdf,
      TOLERANCE.table,
    );
    compare.entries(
      'mask ratio: pdf',
      ratio.x.map((x) => truncatedPdf(law, x)),
      ratio.pdf,
      TOLERANCE.table,
    );
    for (const [tokens, counts] of Object.entries(ratio.num_masked_at_quantile)) {
      const ours = quantiles.map((q) => maskedCount(Number(tokens), q));
      compare.equal(`mask ratio: masked of ${tokens}`, ours, counts);
    }
  },
};

function firstRun(json: Record<string, unknown>): Record<string, unknown> | undefined {
  return Array.isArray(json.runs) ? (json.runs[0] as Record<string, unknown>) : undefined;
}
