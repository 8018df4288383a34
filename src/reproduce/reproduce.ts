import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { writeFileAtomic } from '../io/atomic-file';
import { BatchDisplay, executeBatch, findNotebooks, type Job } from './batch';
import { notebookName, readNotebook } from './document';
import type { Outcome } from './execute';
import { forgetFindings, type NotebookResult, type Reproduction, readFindings } from './findings';
import { notebookFingerprints } from './fingerprint';
import { projectRoot, requireJupyter } from './jupyter';
import { writeReport } from './report';

export interface ReproduceOptions {
  profile: 'smoke' | 'small' | 'full';
  /** Notebooks by name or number; default all. */
  only?: string[];
  /** Folder of the results; default `results/` in the project. */
  results?: string;
  /** Trains the checkpoints first (the profile `full` trains what is missing in any case). */
  fromScratch?: boolean;
  /** Trainings and tables of the profile `full`; handed in by the command. */
  study?: (options: { signal?: AbortSignal; onText: (text: string) => void }) => Promise<unknown>;
  /** Notebooks at a time. */
  parallel: number;
  signal?: AbortSignal;
  /** Where progress goes; default stderr. */
  stream?: NodeJS.WriteStream;
}

interface State {
  fingerprint: string;
  seconds: number;
  cells: number;
}

/**
 * Executes the notebooks headless and writes results, executed notebooks and the report. Notebooks finished before with
 * the same code, data, profile and settings are reused, so an interrupted run can be continued.
 * @throws MissingDependencyError without Jupyter, InvalidInputError for an unknown notebook.
 */
export async function reproduce(options: ReproduceOptions): Promise<Reproduction> {
  const { profile, only, parallel, signal, stream } = options;
  const results = resolve(options.results ?? join(projectRoot, 'results'));
  const sources = findNotebooks(only);
  const jupyter = requireJupyter();
  if (options.fromScratch) {
    const { useBackend } = await import('../runtime/backend');
    const { trainAll } = await import('../recipes/train-all');
    await useBackend();
    await trainAll(profile, { signal, onText: (text) => (stream ?? process.stderr).write(`${text}\n`) });
  }
  if (options.study) await options.study({ signal, onText: (text) => (stream ?? process.stderr).write(`${text}\n`) });
  const fingerprint = notebookFingerprints(projectRoot, profile);
  const display = new BatchDisplay(stream);
  const ended = new Map<string, NotebookResult>();
  const fingerprints = new Map<string, string>();
  const jobs: Job[] = [];
  for (const source of sources) {
    const name = notebookName(source);
    const state = readState(results, name);
    const current = fingerprint(readNotebook(source));
    fingerprints.set(name, current);
    const target = join(results, 'notebooks', `${name}.ipynb`);
    if (state?.fingerprint === current && existsSync(target)) {
      ended.set(name, { notebook: name, status: 'reused', seconds: state.seconds, cells: state.cells });
      display.line(`reused  ${name}  finished before, nothing changed since`);
    } else jobs.push({ source, target, environment: { CER_RESULTS: results, CER_NOTEBOOK: name } });
  }
  for (const { source } of jobs) discard(results, notebookName(source));
  await executeBatch(
    jobs,
    { jupyter, profile, parallel, signal },
    ({ source }, outcome) => {
      const name = notebookName(source);
      ended.set(name, describe(name, outcome));
      if (outcome.status === 'done') {
        const state: State = { fingerprint: fingerprints.get(name)!, seconds: outcome.seconds, cells: outcome.of };
        writeJson(stateFile(results, name), state);
      }
    },
    display,
  );
  const notebooks = sources
    .map((source) => ended.get(notebookName(source)))
    .filter((result): result is NotebookResult => !!result);
  const findings = readFindings(results).filter((finding) => finding.profile === profile);
  const reproduction: Reproduction = { profile, results, notebooks, findings };
  if (signal?.aborted) return reproduction;
  writeJson(join(results, 'summary.json'), {
    profile,
    notebooks,
    claims: findings.flatMap(({ experiment, notebook, summary }) =>
      summary.map((row) => ({ experiment, notebook, ...row })),
    ),
  });
  return { ...reproduction, report: writeReport(reproduction) };
}

function describe(notebook: string, { status, seconds, of, cell, error }: Outcome): NotebookResult {
  const result = { notebook, status, seconds, cells: of };
  return status === 'done' ? result : { ...result, failedCell: cell, error };
}

/** Removes the results of an earlier run of the notebook. */
function discard(results: string, name: string): void {
  rmSync(stateFile(results, name), { force: true });
  rmSync(join(results, 'notebooks', `${name}.ipynb`), { force: true });
  forgetFindings(results, name);
}

function stateFile(results: string, name: string): string {
  return join(results, '.finished', `${name}.json`);
}

function readState(results: string, name: string): State | undefined {
  try {
    const { fingerprint, seconds, cells } = JSON.parse(readFileSync(stateFile(results, name), 'utf8'));
    return { fingerprint, seconds: Number(seconds), cells: Number(cells) };
  } catch {
    return undefined; // not finished before
  }
}

function writeJson(path: string, content: object): void {
  writeFileAtomic(path, (write) => write(Buffer.from(`${JSON.stringify(content, null, 2)}\n`)));
}
