import recorded from '../../../../data/explore/figure-3.json';
import type { CurveSummary, Figure3Data } from '../../figure-3-data';
import { NumbersTable, part } from '../dom';
import type { Panel, View } from '../panel';
import { Chart, type Series } from '../plot';
import { readable, signed } from '../words';
import { type Figure3Settings, figure3Controls, figure3Presets } from './settings';
import { chosenPair, describeFigure3 } from './words';

const data = recorded as Figure3Data;

export const figure3Panel: Panel<Figure3Settings> = {
  id: 'figure-3',
  controls: figure3Controls,
  presets: figure3Presets,
  create: (say) => new Figure3View(say),
};

class Figure3View implements View<Figure3Settings> {
  private readonly chart = new Chart(part('figure-3-chart'));
  private readonly numbers = new NumbersTable(part<HTMLDetailsElement>('figure-3-numbers'), 'Along the denoising', [
    'Step',
    'Baseline (± standard error)',
    'Refined (± standard error)',
    'Refined − baseline (± half 95 % interval)',
  ]);

  constructor(private readonly say: (text: string, loud: boolean) => void) {
    const { profile, seeds, notebook, command } = data.provenance;
    part('figure-3-provenance').textContent =
      `Recorded by notebook ${notebook} (profile ${profile}, ${seeds.length} trainings); to recompute: ${command}`;
  }

  show(settings: Figure3Settings): void {
    const pair = chosenPair(data, settings);
    const text = describeFigure3(data, settings);
    this.say(text, true);
    const count = pair.baseline.mean.length;
    const first = settings.late ? Math.floor(count * 0.8) : 0;
    const x = Array.from({ length: count - first }, (_, i) => first + i + 1);
    const from = ({ mean, error }: CurveSummary) => ({ x, y: mean.slice(first), error: error.slice(first) });
    const noise = pair.quantity === 'noiseIntensity';
    const unit = noise ? 'noise intensity σ̂(t)' : 'SNR (dB)';
    const both = settings.view === 'both';
    const series: Series[] = both
      ? [
          { name: 'baseline ± standard error', ...from(pair.baseline), color: 'orange', dash: 'dash' },
          { name: 'refined ± standard error', ...from(pair.refined), color: 'blue' },
        ]
      : [
          { name: 'refined − baseline, 95 % interval', ...from(pair.difference), color: 'blue' },
          { name: 'no difference', x, y: x.map(() => 0), color: 'muted', dash: 'dot' },
        ];
    const logY = both && noise;
    this.chart.show({
      series,
      x: 'denoising step, from noise to image',
      y: both ? unit : `difference of ${unit}`,
      logY,
      range: { x: [x[0] - 0.4, x[x.length - 1] + 0.4], y: rangeOf(series, logY) },
      label: text,
    });
    this.chart.moveLine(Math.min(Math.max(settings.step, x[0]), x[x.length - 1]));
    this.numbers.update(() =>
      pair.baseline.mean.map((_, i) => [
        i + 1,
        `${readable(pair.baseline.mean[i], 4)} ± ${readable(pair.baseline.error[i], 2)}`,
        `${readable(pair.refined.mean[i], 4)} ± ${readable(pair.refined.error[i], 2)}`,
        `${signed(pair.difference.mean[i])} ± ${readable(pair.difference.error[i], 2)}`,
      ]),
    );
  }

  redraw(): void {
    this.chart.redraw();
  }
}

/** All curves with their bands and a little room. */
function rangeOf(series: readonly Series[], logY: boolean): [number, number] {
  const low = Math.min(...series.flatMap(({ y, error }) => Array.from(y, (value, i) => value - (error?.[i] ?? 0))));
  const high = Math.max(...series.flatMap(({ y, error }) => Array.from(y, (value, i) => value + (error?.[i] ?? 0))));
  return logY ? [0.8 * low, 1.25 * high] : [low - 0.06 * (high - low), high + 0.06 * (high - low)];
}
