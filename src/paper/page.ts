import { paper } from '.';
import type { EntryKind, PaperEntry } from './entry';

const HEADINGS: readonly (readonly [heading: string, kinds: readonly EntryKind[]])[] = [
  ['Theorems and propositions', ['theorem', 'proposition']],
  ['Definitions', ['definition']],
  ['Lemmas', ['lemma']],
  ['Assumptions', ['assumption']],
  ['Algorithm 1 and the Sinkhorn step', ['algorithm', 'step']],
  ['Tables and figures', ['table', 'figure']],
];

/** The page `docs/paper-to-code.md`: every entry of the registry with the code, test and notebook that check it. */
export function paperPage(): string {
  const sections = HEADINGS.map(([heading, kinds]) => {
    const entries = paper.filter(({ kind }) => kinds.includes(kind));
    return `## ${heading}\n\n${entries.map(describe).join('\n\n')}`;
  });
  return `${[
    '# How the paper maps to the code',
    '<!-- Written by `npm run docs` from src/paper; a test compares. -->',
    `The registry \`src/paper/index.ts\` names for each of the ${paper.length} things that the paper states or shows the function that checks it, its test and its notebook. \`npx cer claims\` runs those that have a check and prints a number, an error and a verdict for each. *Exact*: a closed form against a closed form. *Numerical*: a simulation or solver against a closed form. *Empirical*: measured on trained networks and images. An *identity* is true by algebra of what is constructed, so its check tests our code; everything else could come out the other way. The full text of the paper was not available to us: each entry says whether its wording rests on *several sources* that agree, on *one source*, or is *our reading*.`,
    ...sections,
  ].join('\n\n')}\n`;
}

function describe({
  name,
  statement,
  checked,
  evidence,
  nature,
  basis,
  paper: theirs,
  ours,
  ...where
}: PaperEntry): string {
  const link = (path: string) => `[\`${path}\`](../${path})`;
  return [
    `### ${name}`,
    `${statement}`,
    [
      `- **Checked** (${evidence}${nature === 'identity' ? ', an identity' : ''}): ${checked}`,
      `- **The paper's** (${basis}): ${theirs}`,
      `- **Ours**: ${ours}`,
      `- **Where**: \`${where.function}\` in ${link(where.source)}; test ${link(where.test)}; notebook ${link(where.notebook)}`,
    ].join('\n'),
  ].join('\n\n');
}
