/** The verbs of `cer` by what one wants to do, in the order in which help lists them. */
export const PURPOSES: readonly (readonly [purpose: string, verbs: readonly string[]])[] = [
  ['See whether it holds', ['claims', 'parity', 'reproduce', 'explore']],
  ['Work in notebooks', ['lab', 'notebooks']],
  ['Train, sample, measure', ['train', 'sample', 'evaluate']],
  ['Vary and scale out', ['study', 'ablate', 'sweep', 'worker']],
  ['Look into and move weights', ['inspect', 'convert', 'export']],
  ['Look after the machine', ['doctor', 'help']],
];

/** Where a verb that no purpose names is listed. */
export const OTHER = 'Further verbs';

/** The heading under which a verb is listed. */
export function purposeOf(verb: string): string {
  return PURPOSES.find(([, verbs]) => verbs.includes(verb))?.[0] ?? OTHER;
}

/** Position of a verb in the overview. */
export function rankOf(verb: string): number {
  const rank = PURPOSES.flatMap(([, verbs]) => verbs).indexOf(verb);
  return rank < 0 ? Number.MAX_SAFE_INTEGER : rank;
}
