import { STATEMENTS } from '../theory/claim';
import { assumptions } from './assumptions';
import { decayOfConditions } from './decay';
import type { CheckedEntry, PaperEntry } from './entry';
import { experiments } from './experiments';
import { refinement } from './refinement';
import { patches } from './regularity';
import { scores } from './scores';

export type { Basis, CheckedEntry, EntryKind, Evidence, Nature, PaperEntry } from './entry';

const everyCheck = new Map(
  [...scores, ...patches, ...decayOfConditions, ...refinement].map((entry) => [entry.id, entry]),
);

/**
 * The statements of the paper's theory, in its order: the 16 that it numbers (Theorems 1-3, Propositions 1-2, Definitions 1-2, Lemmas
 * 1-9), the Sinkhorn step, and parts of them that are stated beside them and can fail alone.
 */
export const statements: CheckedEntry[] = STATEMENTS.flatMap((id) => everyCheck.get(id) ?? []);

/** Every entry with a check that `cer claims` runs. */
export const checkedEntries: CheckedEntry[] = [...statements, ...assumptions];

/** The whole registry: statements, assumptions, Algorithm 1, three tables and three figures. */
export const paper: PaperEntry[] = [...checkedEntries, ...experiments];
