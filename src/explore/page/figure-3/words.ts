import type { CurvePair, Figure3Data } from '../../figure-3-data';
import { readable, signed } from '../words';
import type { Figure3Settings } from './settings';

const UNITS = { signalToNoise: ' dB', noiseIntensity: '' };
const WORDS = {
  holds: 'as in the paper',
  fails: 'opposite to the paper',
  undecided: 'not decided by these trainings',
};

/** The curves that the settings name. */
export function chosenPair({ curves }: Figure3Data, { model, quantity }: Figure3Settings): CurvePair {
  return curves.find((pair) => pair.model === model && pair.quantity === quantity)!;
}

/** What the paper claims, what was measured, and the values at the step that is read. */
export function describeFigure3(data: Figure3Data, settings: Figure3Settings): string {
  const pair = chosenPair(data, settings);
  const unit = UNITS[pair.quantity];
  const { late } = pair;
  const name = pair.quantity === 'signalToNoise' ? 'signal-to-noise ratio' : 'noise intensity';
  const at = Math.min(settings.step, pair.baseline.mean.length) - 1;
  const value = ({ mean, error }: CurvePair['baseline']) =>
    `${readable(mean[at], 4)} ± ${readable(error[at], 2)}${unit}`;
  return [
    `${pair.model}, ${name}, last fifth of the denoising: refined minus baseline is ${signed(late.difference)}${unit} [${signed(late.low)}, ${signed(late.high)}], 95 % interval over ${late.seeds} trainings: ${WORDS[late.verdict]}.`,
    `At step ${at + 1}: baseline ${value(pair.baseline)}, refined ${value(pair.refined)}, difference ${signed(pair.difference.mean[at])} ± ${readable(pair.difference.error[at], 2)}${unit}.`,
  ].join(' ');
}
