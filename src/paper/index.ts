import { STATEMENTS } from '../theory/claim';
import { assumptions } from './assumptions';
import { decayOfConditions } from './decay';
import type { CheckedEntry, PaperEntry } from './entry';
import { experiments } from './experiments';
import { refinement } from './refinement';
import { patches } from './regularity';
import { scores } from './scores';

export type { CheckedEntry, EntryKind, Evidence, PaperEntry } from './entry';

const everyCheck = new Map(
  [...scores, ...patches, ...decayOfConditions, ...refinement].map((entry) => [entry.id, entry]),
);

/**
 * The statements of the paper's theory, in its order.
 *
 * How we count to 24. The paper numbers 16: Theorems 1-3, Propositions 1-2, Definitions 1-2, Lemmas 1-9. The Sinkhorn step
 * has no number but makes a claim of its own: 17. Seven parts are stated beside them and can fail alone, so they get a check
 * of their own: the exact gap of Theorem 1; the implicit and the denoising form of Lemma 1; the law and the static control of
 * Theorem 2; the particles and the bias of Theorem 3.
 */
export const statements: CheckedEntry[] = STATEMENTS.flatMap((id) => everyCheck.get(id) ?? []);

/** Every entry with a check that `cer claims` runs. */
export const checkedEntries: CheckedEntry[] = [...statements, ...assumptions];

/** The whole registry: 24 statements, 4 assumptions, Algorithm 1, three tables and three figures. */
export const paper: PaperEntry[] = [...checkedEntries, ...experiments];
