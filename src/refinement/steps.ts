import type { StepChoice } from './options';

/** A choice of AR steps as a predicate. */
export function stepPredicate(choice: StepChoice): (step: number, steps: number) => boolean {
  if (choice === 'all') return () => true;
  if (choice === 'early') return (step, steps) => 2 * step < steps;
  if (choice === 'late') return (step, steps) => 2 * step >= steps;
  if (Array.isArray(choice)) return (step) => choice.includes(step);
  if ('every' in choice) return (step) => step % choice.every === 0;
  return (step, steps) => step >= choice.from * steps && step < choice.to * steps;
}
