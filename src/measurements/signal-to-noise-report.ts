import { type Estimate, estimate } from '../metrics/confidence';
import { type Verdict, verdictOf } from '../metrics/verdict';
import type { CurveRun, DenoisingCurves } from './signal-to-noise';

type Quantity = 'signalToNoise' | 'noiseIntensity' | 'latentSignalToNoise' | 'residual';

/** A curve with its error, as `plots/curves` takes it. */
export interface Band {
  name: string;
  x: number[];
  y: number[];
  error: number[];
}

/**
 * The runs that count as independent: with several trainings one per training, its curves the mean over sampling seeds; else the runs.
 */
export function independentRuns(runs: readonly CurveRun[]): CurveRun[] {
  const trainings = [...new Set(runs.map(({ training }) => training))];
  if (trainings.length < 2) return [...runs];
  return modelsOf(runs).flatMap((model) =>
    trainings.map((training) => {
      const own = runs.filter((run) => run.model === model && run.training === training);
      const side = (which: 'baseline' | 'refined') => meanCurves(own.map((run) => run[which]));
      return { model, training, seed: training as number, baseline: side('baseline'), refined: side('refined') };
    }),
  );
}

function meanCurves(all: readonly DenoisingCurves[]): DenoisingCurves {
  const over = (of: (curves: DenoisingCurves) => number[] | undefined) =>
    of(all[0])?.map((_, step) => mean(all.map((curves) => of(curves)?.[step] as number)));
  return {
    signalToNoise: over((curves) => curves.signalToNoise) ?? [],
    noiseIntensity: over((curves) => curves.noiseIntensity) ?? [],
    latentSignalToNoise: over((curves) => curves.latentSignalToNoise),
    residual: over((curves) => curves.residual),
    ...(all[0].signal === undefined ? {} : { signal: mean(all.map(({ signal }) => signal as number)) }),
  };
}

const modelsOf = (runs: readonly CurveRun[]) => [...new Set(runs.map(({ model }) => model))];

/** Baseline and refined curve of each model: mean and standard error over seeds. Steps count from 1. */
export function bands(runs: readonly CurveRun[], quantity: Quantity): Band[] {
  return modelsOf(runs).flatMap((model) => {
    const own = runs.filter((run) => run.model === model);
    return (['baseline', 'refined'] as const).map((side) =>
      band(
        `${model}, ${side}`,
        own.map((run) => run[side][quantity] ?? []),
        ({ standardError }) => standardError,
      ),
    );
  });
}

/** Refined minus baseline of each model: mean and half the 95 % interval over seeds. */
export function differences(runs: readonly CurveRun[], quantity: Quantity): Band[] {
  return modelsOf(runs).map((model) => {
    const curves = runs.filter((run) => run.model === model).map((run) => subtract(run, quantity));
    return band(`${model}, refined − baseline`, curves, ({ mean, high }) => high - mean);
  });
}

function subtract(run: CurveRun, quantity: Quantity): number[] {
  const baseline = run.baseline[quantity] ?? [];
  return (run.refined[quantity] ?? []).map((value, step) => value - baseline[step]);
}

function band(name: string, curves: number[][], error: (point: Estimate) => number): Band {
  const points = curves[0].map((_, step) => estimate(curves.map((curve) => curve[step])));
  return { name, x: points.map((_, step) => step + 1), y: points.map(({ mean }) => mean), error: points.map(error) };
}

/** The paper's claim in numbers: the mean difference over the last fifth of the steps. */
export interface LateDifference {
  model: string;
  quantity: 'SNR / dB' | 'noise intensity';
  baseline: number;
  refined: number;
  difference: number;
  low: number;
  high: number;
  seeds: number;
  verdict: Verdict;
}

/** One row per model and quantity. The paper expects the SNR to rise and the noise to fall. */
export function lateSteps(runs: readonly CurveRun[]): LateDifference[] {
  return modelsOf(runs).flatMap((model) =>
    (['signalToNoise', 'noiseIntensity'] as const).map((quantity) => {
      const own = runs.filter((run) => run.model === model);
      const late = (curve: number[]) => mean(curve.slice(Math.floor(curve.length * 0.8)));
      const baseline = mean(own.map((run) => late(run.baseline[quantity])));
      const { mean: difference, low, high, count } = estimate(own.map((run) => late(subtract(run, quantity))));
      return {
        model,
        quantity: quantity === 'signalToNoise' ? ('SNR / dB' as const) : ('noise intensity' as const),
        baseline,
        refined: baseline + difference,
        difference,
        low,
        high,
        seeds: count,
        verdict: verdictOf({ low, high }, quantity === 'signalToNoise' ? 'higher' : 'lower'),
      };
    }),
  );
}

/** Other definitions at the late steps, as refined minus baseline: where the difference of the SNR comes from, and the SNR of latents. */
export function otherDefinitions(runs: readonly CurveRun[]) {
  const late = (curve: number[]) => mean(curve.slice(Math.floor(curve.length * 0.8)));
  return modelsOf(runs).flatMap((model) => {
    const own = runs.filter((run) => run.model === model && run.baseline.signal !== undefined);
    if (own.length < 2) return [];
    const row = (quantity: string, of: (run: CurveRun) => number) => {
      const { mean: difference, low, high } = estimate(own.map(of));
      return { model, quantity, difference, low, high };
    };
    return [
      row('level of the final image / dB', ({ baseline, refined }) => (refined.signal ?? 0) - (baseline.signal ?? 0)),
      row('level of what is missing, late / dB', (run) => late(subtract(run, 'residual'))),
      row('SNR of latents, late / dB', (run) => late(subtract(run, 'latentSignalToNoise'))),
      row('SNR, early / dB', (run) => mean(subtract(run, 'signalToNoise').slice(0, 5))),
      row('noise intensity, final image', (run) => subtract(run, 'noiseIntensity').slice(-1)[0]),
    ];
  });
}

const mean = (values: number[]) => values.reduce((sum, x) => sum + x, 0) / values.length;

/** Every point of every curve as a row. */
export function curveRows(runs: readonly CurveRun[]) {
  return runs.flatMap(({ model, seed, training, ...sides }) =>
    (['baseline', 'refined'] as const).flatMap((side) =>
      sides[side].noiseIntensity.map((noiseIntensity, step) => ({
        model,
        ...(training === undefined ? {} : { training }),
        seed,
        side,
        step: step + 1,
        signalToNoise: sides[side].signalToNoise[step] ?? null,
        noiseIntensity,
      })),
    ),
  );
}

/** Rows for the summary of all claims. */
export function summaryRows(late: readonly LateDifference[]) {
  return late.map(({ model, quantity, difference, low, high, seeds, verdict }) => ({
    claim: `Figure 3: ${quantity === 'SNR / dB' ? 'higher SNR' : 'less noise'} at the late steps, ${model}`,
    ours: `${difference.toPrecision(3)} [${low.toPrecision(3)}, ${high.toPrecision(3)}]${quantity === 'SNR / dB' ? ' dB' : ''}`,
    error: `95 % interval, ${seeds} independent runs`,
    paper: quantity === 'SNR / dB' ? 'higher with refinement' : 'lower with refinement',
    verdict,
    note: 'definitions of SNR and noise intensity are ours',
  }));
}

/** What was found, in words, what does not replicate first. */
export function verdictText(late: readonly LateDifference[]): string {
  const order = { fails: 0, undecided: 1, holds: 2 };
  const words = {
    holds: '**as in the paper**',
    fails: '**the other way round**',
    undecided: '**not decided** by these seeds',
  };
  const lines = [...late]
    .sort((a, b) => order[a.verdict] - order[b.verdict])
    .map(
      ({ model, quantity, verdict, difference, low, high }) =>
        `- ${model}, ${quantity}: ${words[verdict]}; refined minus baseline ${difference.toPrecision(3)} [${low.toPrecision(3)}, ${high.toPrecision(3)}].`,
    );
  return `### What was found at the late steps\n\n${lines.join('\n')}\n\nIntervals are over trainings where there are several, else over sampling seeds.`;
}
