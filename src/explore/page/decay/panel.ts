import { compute } from '../computer';
import { NumbersTable, part } from '../dom';
import type { Panel, View } from '../panel';
import { Chart } from '../plot';
import { readable } from '../words';
import type { DecayResult, InfluencePair, StableDecay, UnstableDecay } from './compute';
import { type DecaySettings, decayControls, decayPresets } from './settings';
import { describeDecay } from './words';

export const decayPanel: Panel<DecaySettings> = {
  id: 'decay',
  controls: decayControls,
  presets: decayPresets,
  create: (say) => new DecayView(say),
};

class DecayView implements View<DecaySettings> {
  private readonly norms = new Chart(part('decay-chart'));
  private readonly influence = new Chart(part('decay-influence'));
  private readonly numbers = new NumbersTable(part<HTMLDetailsElement>('decay-numbers'), 'Along the chain', [
    'Step i',
    'Gradient norm',
    'Bound M βⁱ + m',
    'Condition held',
    'Influence of c₀, chain',
    'Influence of c₀, held',
  ]);

  constructor(private readonly say: (text: string, loud: boolean) => void) {}

  show(settings: DecaySettings): void {
    compute('decay', settings, {
      onPart: (result) => {
        this.say(describeDecay(settings, result), result.kind === 'unstable' || result.influence !== undefined);
        part('decay-title').textContent =
          result.kind === 'unstable' ? 'The condition itself' : 'Gradient norm and its bound';
        if (result.kind === 'unstable') this.drawGrowth(result);
        else this.drawNorms(result);
        this.drawInfluence(result.kind === 'stable' ? result.influence : undefined, result);
        this.numbers.update(() => tableRows(result));
      },
      onDone: () => {},
      onError: (message) => this.say(`The chain could not be computed: ${message}`, true),
    });
  }

  redraw(): void {
    this.norms.redraw();
    this.influence.redraw();
  }

  private drawNorms({ norms, bound, floor }: StableDecay): void {
    const x = Array.from(norms.keys());
    const last = x.length - 1;
    const held = x.filter((i) => i % 5 === 0 || i === last); // a marker for each would hide the line
    const lowest = norms.reduce((low, value) => Math.min(low, value), floor);
    this.norms.show({
      series: [
        { name: 'gradient norm, exact', x, y: norms, color: 'blue' },
        { name: 'bound M βⁱ + m', x, y: bound, color: 'orange', dash: 'dash' },
        { name: 'm', x, y: x.map(() => floor), color: 'muted', dash: 'dot' },
        {
          name: 'control: condition held',
          x: held,
          y: held.map(() => norms[0]),
          color: 'green',
          mode: 'lines+markers',
        },
      ],
      x: 'token i',
      y: '‖∇ log pₜ(xₜ | cᵢ)‖ (1 / unit of x)',
      logY: true,
      range: { x: [-0.5, last + 0.5], y: [0.8 * lowest, 1.3 * Math.max(bound[0], norms[0])] },
      label: `Gradient norm along the tokens, from ${readable(norms[0])} to ${readable(norms[last])}, under its bound from ${readable(bound[0])} to ${readable(bound[last])}. With the condition held it stays at ${readable(norms[0])}.`,
    });
  }

  private drawGrowth({ means, deviations }: UnstableDecay): void {
    const x = Array.from(means.keys());
    const largest = Math.max(...means, ...deviations);
    const last = x.length - 1;
    this.norms.show({
      series: [
        { name: 'norm of the mean condition, exact', x, y: means, color: 'blue' },
        { name: 'standard deviation of a coordinate', x, y: deviations, color: 'orange', dash: 'dash' },
      ],
      x: 'token i',
      y: 'condition (its own unit)',
      range: { x: [-0.5, last + 0.5], y: [-0.02 * largest, 1.08 * largest] },
      label: `The mean condition grows from ${readable(means[0])} to ${readable(means[last])}: there is no decay.`,
    });
  }

  private drawInfluence(pair: InfluencePair | undefined, result: DecayResult): void {
    // It is estimated after the exact curves: until then the last one stays.
    part('decay-influence-figure').hidden = result.kind === 'unstable';
    if (!pair) return;
    const x = Array.from(pair.chain.correlation.keys());
    const last = x.length - 1;
    this.influence.show({
      series: [
        {
          name: 'chain, on 120 paths',
          x,
          y: pair.chain.correlation,
          error: pair.chain.errors,
          color: 'blue',
          mode: 'lines+markers',
        },
        { name: 'βⁱ', x, y: x.map((i) => result.radius ** i), color: 'ink', dash: 'dash' },
        {
          name: 'control: condition held',
          x,
          y: pair.held.correlation,
          error: pair.held.errors,
          color: 'green',
          mode: 'lines+markers',
          dash: 'dot',
        },
      ],
      x: 'tokens since c₀',
      y: 'vector correlation with c₀',
      range: { x: [-0.5, last + 0.5], y: [-0.3, 1.1] },
      label: `Influence of the first condition: in the chain it falls from 1 to ${readable(pair.chain.correlation[last])} in ${last} tokens, in a held condition it stays at ${readable(pair.held.correlation[last])}.`,
    });
  }
}

function tableRows(result: DecayResult): (string | number)[][] {
  if (result.kind === 'unstable') {
    return Array.from(result.means, (mean, i) => [i, `mean ${readable(mean)}`, 'none', '', '', '']);
  }
  const { norms, bound, influence } = result;
  const value = (numbers: Float64Array | undefined, i: number) =>
    numbers && i < numbers.length ? readable(numbers[i]) : '';
  return Array.from(norms, (norm, i) => [
    i,
    readable(norm, 4),
    readable(bound[i], 4),
    readable(norms[0], 4),
    value(influence?.chain.correlation, i),
    value(influence?.held.correlation, i),
  ]);
}
