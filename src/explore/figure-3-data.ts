import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CurveRun } from '../measurements/signal-to-noise';
import { bands, type curveRows, differences, type LateDifference, lateSteps } from '../measurements/signal-to-noise';
import { FileFormatError } from '../runtime/errors';

type Quantity = 'signalToNoise' | 'noiseIntensity';
type Row = ReturnType<typeof curveRows>[number];

/** Mean and error of one curve at each denoising step, counted from 1. */
export interface CurveSummary {
  mean: number[];
  error: number[];
}

/** One model and quantity; errors of the sides are standard errors, that of the difference half its 95 % interval. */
export interface CurvePair {
  model: string;
  quantity: Quantity;
  baseline: CurveSummary;
  refined: CurveSummary;
  difference: CurveSummary;
  late: LateDifference;
}

/** The part of a run that the page ships: curves, and their provenance. */
export interface Figure3Data {
  provenance: {
    experiment: string;
    notebook: string;
    profile: string;
    seeds: number[];
    command: string;
    /** First 16 digits of the SHA-256 of each checkpoint that made the images, as it was when the curves were taken over. */
    checkpoints: Record<string, string>;
  };
  curves: CurvePair[];
}

/** The file that the page ships, relative to the project. */
export const FIGURE_3_FILE = join('data', 'explore', 'figure-3.json');

/**
 * Reduces `results/figure-3.json`, as notebook 10 records it, to means and errors.
 * @param checkpoints folder of the weights that the run used.
 * @throws FileFormatError when the file holds no such run.
 */
export function figure3Data(resultsFile: string, checkpoints: string): Figure3Data {
  const content = JSON.parse(readFileSync(resultsFile, 'utf8')) as {
    experiment?: string;
    notebook?: string;
    profile?: string;
    tables?: { curves?: Row[] };
  };
  const rows = content.tables?.curves;
  if (content.experiment !== 'figure-3' || !rows || rows.length === 0) {
    throw new FileFormatError('Curves of Figure 3', {
      given: `${resultsFile} with experiment ${JSON.stringify(content.experiment)} and ${rows?.length ?? 'no'} rows of curves`,
      expected: 'the results of notebook 10',
      remedy: 'Run `cer reproduce --only 10` first and name its figure-3.json.',
    });
  }
  const runs = runsOf(rows);
  const late = lateSteps(runs);
  const pairs = (['signalToNoise', 'noiseIntensity'] as const).flatMap((quantity) => {
    const sides = bands(runs, quantity);
    return differences(runs, quantity).map((difference, i): CurvePair => {
      const model = [...new Set(runs.map((run) => run.model))][i];
      const [baseline, refined] = sides.slice(2 * i, 2 * i + 2).map(summary);
      const own = late.find(
        (row) => row.model === model && (row.quantity === 'SNR / dB') === (quantity === 'signalToNoise'),
      );
      return { model, quantity, baseline, refined, difference: summary(difference), late: own! };
    });
  });
  const profile = content.profile ?? 'small';
  return {
    provenance: {
      experiment: 'figure-3',
      notebook: content.notebook ?? '10-signal-to-noise',
      profile,
      seeds: [...new Set(runs.map(({ seed }) => seed))],
      command: `cer reproduce --only 10 --profile ${profile} && cer explore --take-curves results/figure-3.json`,
      checkpoints: checkpointHashes(checkpoints),
    },
    curves: pairs,
  };
}

/** First 16 digits of the SHA-256 of the weights that Figure 3 rests on, all trainings that are there; an absent file has none. */
export function checkpointHashes(folder: string): Record<string, string> {
  const hashes: Record<string, string> = {};
  const trainings = existsSync(folder) ? readdirSync(folder).filter((name) => /^seed-\d+$/.test(name)) : [];
  const models = trainings.flatMap((training) => [`${training}/ar`, `${training}/mar`]);
  for (const name of [...(models.length > 0 ? models : ['ar', 'mar']), 'vae']) {
    try {
      const bytes = readFileSync(join(folder, `${name}.safetensors`));
      hashes[name] = createHash('sha256').update(bytes).digest('hex').slice(0, 16);
    } catch {
      // not shipped: the page then has no claim to be compared with
    }
  }
  return hashes;
}

/** Undoes `curveRows`. */
function runsOf(rows: readonly Row[]): CurveRun[] {
  const runs = new Map<string, CurveRun>();
  const sorted = [...rows].sort((a, b) => a.step - b.step);
  for (const { model, seed, side, signalToNoise, noiseIntensity } of sorted) {
    const name = `${model} ${seed}`;
    const empty = () => ({ signalToNoise: [] as number[], noiseIntensity: [] as number[] });
    const run = runs.get(name) ?? { model, seed, baseline: empty(), refined: empty() };
    runs.set(name, run);
    if (signalToNoise !== null && Number.isFinite(signalToNoise)) run[side].signalToNoise.push(signalToNoise);
    run[side].noiseIntensity.push(noiseIntensity);
  }
  return [...runs.values()];
}

/** Five digits are more than the errors allow. */
function summary({ y, error }: { y: number[]; error: number[] }): CurveSummary {
  const short = (value: number) => Number(value.toPrecision(5));
  return { mean: y.map(short), error: error.map(short) };
}
