import type { ClaimCheck, ClaimId } from '../theory/claim';

/** Kind of the entry in the paper; `step` is the Sinkhorn step, which has no number there. */
export type EntryKind =
  | 'theorem'
  | 'proposition'
  | 'definition'
  | 'lemma'
  | 'step'
  | 'assumption'
  | 'algorithm'
  | 'table'
  | 'figure';

/**
 * `exact`: a closed form against a closed form. `numerical`: a simulation or solver against a closed form.
 * `empirical`: measured on trained networks and images.
 */
export type Evidence = 'exact' | 'numerical' | 'empirical';

/**
 * `identity`: true by algebra of the objects that are constructed, so the check tests our code. `test`: it could come out the other way,
 * and a test of this project shows it doing so when the claim is made false.
 */
export type Nature = 'identity' | 'test';

/** Source of a statement's wording: the full text of the paper was not available to us. */
export type Basis = 'several sources' | 'one source' | 'our reading';

/** One thing that the paper states or shows, and where this project checks it. */
export interface PaperEntry {
  id: string;
  kind: EntryKind;
  /** The paper's name for it, e.g. `Theorem 2`. */
  name: string;
  /** What it says, in our words. */
  statement: string;
  /** The number that we compute, and its reference. */
  checked: string;
  evidence: Evidence;
  nature: Nature;
  basis: Basis;
  /** The paper's part. */
  paper: string;
  /** Our part: a definition, a closed form, a control. */
  ours: string;
  /** Project path of the source, and the exported function in it that does the work. */
  source: string;
  function: string;
  /** Project paths of the test and of the notebook. */
  test: string;
  notebook: string;
}

/** An entry with a check that `cer claims` runs. */
export interface CheckedEntry extends PaperEntry {
  id: ClaimId;
  check: ClaimCheck;
}

/** An entry whose function is its check. */
export function checked(check: ClaimCheck, entry: Omit<PaperEntry, 'id' | 'function'> & { id: ClaimId }): CheckedEntry {
  return { ...entry, function: check.name, check };
}
