import type { Controls, Preset } from '../state';

/** What the second panel can change: the chain of conditions, and the token that sees it. */
export interface DecaySettings {
  root: number;
  second: number;
  start: number;
  noise: number;
  signal: number;
  steps: number;
  seed: number;
}

export const decayControls: Controls<DecaySettings> = {
  root: {
    kind: 'number',
    label: 'Largest root',
    symbol: 'β',
    min: 0.3,
    max: 1.05,
    step: 0.01,
    initial: 0.85,
    hint: 'The chain’s spectral radius; Assumption 4 asks for less than 1.',
  },
  second: {
    kind: 'number',
    label: 'Second root',
    symbol: '÷ β',
    min: -0.9,
    max: 0.9,
    step: 0.1,
    initial: 0.5,
    hint: 'As a share of the first. Roots close together make the bound loose.',
  },
  start: {
    kind: 'number',
    label: 'Start',
    symbol: '‖c₀‖',
    min: 0,
    max: 30,
    step: 0.5,
    initial: 12,
    hint: 'How far from rest the chain begins.',
  },
  noise: {
    kind: 'number',
    label: 'Innovation',
    symbol: 'ξ',
    min: 0.05,
    max: 2,
    step: 0.05,
    initial: 0.5,
    hint: 'Standard deviation of the noise of each step.',
  },
  signal: {
    kind: 'number',
    label: 'Signal left at time t',
    symbol: 'ᾱ',
    min: 0.05,
    max: 0.95,
    step: 0.05,
    initial: 0.5,
    hint: 'Near 0: almost pure noise. Near 1: almost clean.',
  },
  steps: {
    kind: 'number',
    label: 'Tokens',
    symbol: 'i',
    min: 10,
    max: 80,
    step: 5,
    initial: 40,
    hint: 'Length of the chain.',
  },
  seed: {
    kind: 'number',
    label: 'Draw',
    symbol: 'seed',
    min: 0,
    max: 20,
    step: 1,
    initial: 0,
    hint: 'Another observation matrix, direction of the start and paths.',
  },
};

export const decayPresets: readonly Preset<DecaySettings>[] = [
  { name: 'Fast forgetting', changes: { root: 0.6 } },
  { name: 'Long memory', changes: { root: 0.97, steps: 80 } },
  { name: 'Starts at rest: nothing to decay', changes: { start: 0 } },
  { name: 'Roots close together: a loose bound', changes: { second: 0.9 } },
  { name: 'Assumption 4 violated', changes: { root: 1.05, second: 0.5 } },
];
