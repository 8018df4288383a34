import type { Notebook } from '../../src/reproduce/document';

/** A notebook of these code cells, for the project's kernel. */
export function notebookOf(...sources: string[]): Notebook {
  const cells = sources.map((source, at) => ({
    cell_type: 'code' as const,
    id: `cell-${at}`,
    metadata: {},
    source,
    execution_count: null,
    outputs: [],
  }));
  return { nbformat: 4, nbformat_minor: 5, metadata: { kernelspec: { name: 'cer' } }, cells };
}
