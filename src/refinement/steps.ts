/**
 * Which AR steps are refined: all; the first or the last half; every n-th from step 0; those in [from, to) as shares of all
 * steps; or a list of step numbers.
 */
export type StepChoice =
  | 'all'
  | 'early'
  | 'late'
  | { every: number }
  | { from: number; to: number }
  | readonly number[];

/** A choice of steps as a predicate. */
export function stepPredicate(choice: StepChoice): (step: number, steps: number) => boolean {
  if (choice === 'all') return () => true;
  if (choice === 'early') return (step, steps) => 2 * step < steps;
  if (choice === 'late') return (step, steps) => 2 * step >= steps;
  if (isList(choice)) return (step) => choice.includes(step);
  if ('every' in choice) return (step) => step % choice.every === 0;
  return (step, steps) => step >= choice.from * steps && step < choice.to * steps;
}

function isList(choice: StepChoice): choice is readonly number[] {
  return Array.isArray(choice); // alone it does not narrow a read-only list
}
