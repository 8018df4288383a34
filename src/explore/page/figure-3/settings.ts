import type { Controls, Preset } from '../state';

/** What the third panel can change: which of the recorded curves are seen. */
export interface Figure3Settings {
  model: 'AR' | 'MAR';
  quantity: 'signalToNoise' | 'noiseIntensity';
  view: 'both' | 'difference';
  late: boolean;
  step: number;
}

export const figure3Controls: Controls<Figure3Settings> = {
  model: {
    kind: 'choice',
    label: 'Model',
    options: [
      { value: 'AR', label: 'AR: causal, token by token' },
      { value: 'MAR', label: 'MAR: masked, sets of tokens' },
    ],
    initial: 'AR',
    hint: 'Both draw the same noise with and without refinement.',
  },
  quantity: {
    kind: 'choice',
    label: 'Quantity',
    options: [
      { value: 'signalToNoise', label: 'Signal-to-noise ratio' },
      { value: 'noiseIntensity', label: 'Noise intensity' },
    ],
    initial: 'signalToNoise',
    hint: 'The paper claims higher SNR and lower noise.',
  },
  view: {
    kind: 'choice',
    label: 'Show',
    options: [
      { value: 'both', label: 'Baseline and refined' },
      { value: 'difference', label: 'Refined − baseline' },
    ],
    initial: 'both',
    hint: 'The two are close: their paired difference says more.',
  },
  late: {
    kind: 'switch',
    label: 'Late steps only',
    initial: false,
    hint: 'The last fifth, where the paper sees the effect.',
  },
  step: {
    kind: 'number',
    label: 'Read at denoising step',
    symbol: 't',
    min: 1,
    max: 25,
    step: 1,
    initial: 20,
    hint: 'From noise (1) to image; moves the line in the chart.',
  },
};

export const figure3Presets: readonly Preset<Figure3Settings>[] = [
  { name: 'SNR, AR', changes: { view: 'difference' } },
  { name: 'Noise, AR', changes: { quantity: 'noiseIntensity', view: 'difference', late: true } },
  { name: 'SNR, MAR', changes: { model: 'MAR', view: 'difference' } },
  { name: 'Noise, MAR', changes: { model: 'MAR', quantity: 'noiseIntensity', view: 'difference', late: true } },
];
