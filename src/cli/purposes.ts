/** The verbs of `cer` by purpose, in the order of the help. */
export const PURPOSES: readonly (readonly [purpose: string, verbs: readonly string[]])[] = [
  ['See whether it holds', ['claims', 'parity', 'reproduce', 'explore']],
  ['Work in notebooks', ['lab', 'notebooks']],
  ['Train, sample, measure', ['train', 'sample', 'evaluate']],
  ['Vary and scale out', ['study', 'ablate', 'sweep', 'worker']],
  ['Look into and move weights', ['inspect', 'convert', 'export']],
  ['Look after the machine', ['doctor', 'help']],
];

/** Heading for verbs that are under no purpose. */
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
