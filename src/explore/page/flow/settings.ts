import type { Controls, Preset } from '../state';

/** What the first panel can change: Algorithm 1's knobs, and the clouds that they are tried on. */
export interface FlowSettings {
  steps: number;
  eta: number;
  epsilon: number;
  lambda: number;
  scheme: 'proximal' | 'euler';
  debiased: boolean;
  target: 'bumps' | 'ring' | 'moons' | 'gaussian';
  points: number;
  seed: number;
}

export const flowControls: Controls<FlowSettings> = {
  steps: {
    kind: 'number',
    label: 'Steps',
    symbol: 'K',
    min: 1,
    max: 30,
    step: 1,
    initial: 10,
    hint: 'How often the conditions are moved.',
  },
  eta: {
    kind: 'number',
    label: 'Step size',
    symbol: 'η',
    min: 0.05,
    max: 1.5,
    step: 0.05,
    initial: 0.25,
    hint: 'How far one step goes.',
  },
  epsilon: {
    kind: 'number',
    label: 'Entropy',
    symbol: 'ε',
    min: 0.0005,
    max: 1,
    step: 10,
    scale: 'log',
    unit: '× mean cost',
    initial: 0.005,
    hint: 'Blur of the transport plan.',
  },
  lambda: {
    kind: 'number',
    label: 'Anchor weight',
    symbol: 'λ',
    min: 0,
    max: 3,
    step: 0.05,
    initial: 0,
    hint: 'Pull towards T⁻¹(x), a point of its own for each condition.',
  },
  scheme: {
    kind: 'choice',
    label: 'Scheme',
    options: [
      { value: 'proximal', label: 'JKO (proximal)' },
      { value: 'euler', label: 'Explicit Euler' },
    ],
    initial: 'proximal',
    hint: 'ρ is 1 / (1 + 2η) for JKO steps and |1 − 2η| for explicit ones.',
  },
  debiased: {
    kind: 'switch',
    label: 'Debiased',
    initial: false,
    hint: 'Subtract the cloud’s own blur.',
  },
  target: {
    kind: 'choice',
    label: 'Ideal law',
    options: [
      { value: 'bumps', label: 'Three groups' },
      { value: 'ring', label: 'Ring' },
      { value: 'moons', label: 'Two moons' },
      { value: 'gaussian', label: 'Gaussian' },
    ],
    initial: 'bumps',
    hint: 'The law of conditions that the flow should reach.',
  },
  points: {
    kind: 'number',
    label: 'Points',
    symbol: 'n',
    min: 20,
    max: 300,
    step: 10,
    initial: 200,
    hint: 'Conditions, and as many ideal ones.',
  },
  seed: {
    kind: 'number',
    label: 'Draw',
    symbol: 'seed',
    min: 0,
    max: 20,
    step: 1,
    initial: 0,
    hint: 'Other random clouds.',
  },
};

export const flowPresets: readonly Preset<FlowSettings>[] = [
  { name: 'Theorem 3: W₂ falls by ρ', changes: { epsilon: 0.0005 } },
  { name: 'Large ε blurs and shrinks', changes: { epsilon: 0.2, steps: 15 } },
  { name: 'The same, debiased', changes: { epsilon: 0.2, steps: 15, debiased: true } },
  { name: 'λ pulls away from the target', changes: { lambda: 0.4, steps: 15 } },
  { name: 'Explicit Euler diverges for η > 1', changes: { scheme: 'euler', eta: 1.1, target: 'gaussian' } },
  { name: 'One big step', changes: { eta: 1.5, steps: 3 } },
];
