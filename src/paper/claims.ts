import { InvalidInputError } from '../runtime/errors';
import type { ClaimResult } from '../theory/claim';
import { type Basis, checkedEntries, type EntryKind, type Evidence, type Nature } from '.';

/** A row of `cer claims`: the registry's entry and what its check found. */
export interface ClaimRow extends ClaimResult {
  kind: EntryKind;
  name: string;
  statement: string;
  evidence: Evidence;
  nature: Nature;
  basis: Basis;
  milliseconds: number;
  source: string;
  notebook: string;
}

/**
 * Runs the checks of the registry, in the paper's order.
 * @param options `only`: ids to run (default all); `onRow` is called after each.
 * @throws InvalidInputError for an id without a check.
 */
export function runClaims({
  seed = 0,
  only,
  onRow,
}: {
  seed?: number;
  only?: readonly string[];
  onRow?: (row: ClaimRow) => void;
} = {}): ClaimRow[] {
  const unknown = only?.filter((id) => !checkedEntries.some((entry) => entry.id === id)) ?? [];
  if (unknown.length > 0) {
    throw new InvalidInputError('Claims to check', {
      given: unknown.join(', '),
      expected: checkedEntries.map((entry) => entry.id).join(', '),
      remedy:
        'Name some of these, separated by commas; tables and figures are made by the notebooks (`cer reproduce`).',
    });
  }
  return checkedEntries
    .filter((entry) => only === undefined || only.includes(entry.id))
    .map((entry) => {
      const { kind, name, statement, evidence, nature, basis, source, notebook } = entry;
      const start = performance.now();
      const result = entry.check({ seed });
      const row = {
        ...result,
        kind,
        name,
        statement,
        evidence,
        nature,
        basis,
        milliseconds: performance.now() - start,
        source,
        notebook,
      };
      onRow?.(row);
      return row;
    });
}

/** A check's result as a line of the summary that notebooks record. */
export function summaryOf(result: ClaimResult, paper: string) {
  const { id, measured, error, expected, verdict, detail } = result;
  const entry = checkedEntries.find((candidate) => candidate.id === id);
  return {
    claim: entry?.name ?? id,
    ours: `${Number(measured.toPrecision(4))} (expected ${expected.relation} ${Number(expected.value.toPrecision(4))})`,
    error: error === 0 ? 'exact' : `+- ${Number(error.toPrecision(2))}`,
    paper,
    verdict,
    note: detail,
  };
}
