import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Html, html } from '../notebook/html';
import { markdownTable } from '../notebook/markdown-table';
import { CerError } from '../runtime/errors';
import { CHECKPOINTS, checkpointFolder, type Provenance, readProvenance } from '../training/trained-model';
import type { Finding } from './findings';
import { markdownToHtml } from './markdown';

/** Sources of the page of limits. */
export interface LimitSources {
  profile: string;
  findings: readonly Finding[];
  /** Folder of the weights, sub-folders included. Default the shipped ones. */
  checkpoints?: string;
  /** Text of the hand-written page. Default `docs/what-does-not-work.md`. */
  known?: string;
}

const KNOWN = join(__dirname, '..', '..', 'docs', 'what-does-not-work.md');

/**
 * The page of limits: how far the numbers of this run reach, read from the weights' provenance and from what the experiments recorded, and then
 * what is known not to work.
 */
export function limitsSection({ profile, findings, checkpoints = CHECKPOINTS, known }: LimitSources): Html {
  const { trainings, damaged } = trainingRows(checkpoints);
  const samplings = samplingRows(findings);
  const parts = [
    '# Limits',
    scaleText(profile, findings),
    ...(trainings.length > 0
      ? ['## Trainings behind these numbers', markdownTable(trainings), spreadText(trainings)]
      : []),
    ...damaged.map((message) => `Left out: ${message}`),
    ...(samplings.length > 0 ? ['## Seeds behind the error bars', markdownTable(samplings)] : []),
    ...notesOf(findings),
    lowered(known ?? (existsSync(KNOWN) ? readFileSync(KNOWN, 'utf8') : '')),
  ];
  return html`<section id="limits">${markdownToHtml(parts.join('\n\n'))}</section>`;
}

function scaleText(profile: string, findings: readonly Finding[]): string {
  const rows = findings.flatMap(({ summary }) => summary);
  const count = (verdict: string) => rows.filter((row) => row.verdict === verdict).length;
  const others = [...new Set(findings.map((finding) => finding.profile))].filter((name) => name !== profile);
  return [
    `Profile *${profile}*. Of ${rows.length} recorded claims ${count('undecided')} are undecided, and ${count('analogue')} are analogues, whose numbers are not the paper's.`,
    ...(others.length > 0 ? [`Some results are older, of the profile ${others.join(', ')}.`] : []),
  ].join(' ');
}

interface TrainingRow {
  model: string;
  'training seeds': number;
  'image side': number;
  'training images': number;
  classes: number;
  parameters: number;
  steps: number;
}

/**
 * One row per model as it was trained, by variant (the sub-folder's name without its seed): equal trainings under several seeds are one.
 * What is said of damaged files, or of those that belong to other weights, stands beside them.
 */
export function trainingRows(folder: string): { trainings: TrainingRow[]; damaged: string[] } {
  const found = new Map<string, { row: TrainingRow; seeds: Set<number> }>();
  const { described, damaged } = provenances(folder);
  for (const { variant, provenance } of described) {
    const { model, seed, data, parameters, steps } = provenance;
    const row = {
      model: variant ? `${model}, ${variant}` : model,
      'training seeds': 0,
      'image side': data.size,
      'training images': data.images,
      classes: data.classes.length,
      parameters,
      steps,
    };
    const name = JSON.stringify(row);
    const known = found.get(name) ?? { row, seeds: new Set<number>() };
    known.seeds.add(seed);
    found.set(name, known);
  }
  const rows = [...found.values()].map(({ row, seeds }) => ({ ...row, 'training seeds': seeds.size }));
  return { trainings: rows.sort((a, b) => (a.model < b.model ? -1 : 1)), damaged };
}

interface Described {
  variant: string;
  provenance: Provenance;
}

function provenances(root: string): { described: Described[]; damaged: string[] } {
  const folder = checkpointFolder(root);
  const described: Described[] = [];
  const damaged: string[] = [];
  const names = existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: 'utf8' }) : [];
  for (const file of names.filter((name) => name.endsWith('.json')).sort()) {
    try {
      const provenance = readProvenance(join(folder, file.replace(/json$/, 'safetensors')));
      if (!provenance?.model || !provenance.data?.images || !provenance.data.classes) continue; // of something else
      const inside = dirname(file) === '.' ? '' : dirname(file);
      described.push({ variant: inside.replace(/-?seed-\d+$/, ''), provenance });
    } catch (error) {
      if (!(error instanceof CerError)) throw error;
      damaged.push(error.message);
    }
  }
  return { described, damaged };
}

function spreadText(rows: readonly TrainingRow[]): string {
  const once = rows.filter((row) => row['training seeds'] < 2).map(({ model }) => model);
  if (once.length === 0) return '';
  return `Trained once: ${once.join('; ')}. Where only these stand behind a number, its error bar covers sampling alone, and another training may change what it says.`;
}

/** What the tables of each experiment average over, where they say so. */
function samplingRows(findings: readonly Finding[]): { experiment: string; table: string; over: string }[] {
  return findings.flatMap(({ experiment, tables }) =>
    Object.entries(tables).flatMap(([table, rows]) => {
      const over = overWhat(rows as { seed?: unknown; seeds?: unknown; over?: unknown }[]);
      return over ? [{ experiment, table, over }] : [];
    }),
  );
}

function overWhat(rows: readonly { seed?: unknown; seeds?: unknown; over?: unknown }[]): string {
  const said = [...new Set(rows.flatMap(({ over }) => (typeof over === 'string' && over ? [over] : [])))];
  if (said.length > 0) return said.join('; ');
  const counts = [...new Set(rows.flatMap(({ seeds }) => (typeof seeds === 'number' ? [seeds] : [])))];
  const own = new Set(rows.flatMap(({ seed }) => (typeof seed === 'number' ? [seed] : []))).size;
  if (counts.length > 0) return `${counts.sort((a, b) => a - b).join(', ')} seeds`;
  return own > 0 ? `${own} seed${own === 1 ? '' : 's'}` : '';
}

/** The notes that experiments recorded with their claims, each once. */
function notesOf(findings: readonly Finding[]): string[] {
  const notes = new Map<string, string[]>();
  for (const { experiment, summary } of findings) {
    for (const { note } of summary) {
      if (!note) continue;
      const experiments = notes.get(note) ?? [];
      if (!experiments.includes(experiment)) notes.set(note, [...experiments, experiment]);
    }
  }
  if (notes.size === 0) return [];
  const lines = [...notes].map(([note, experiments]) => `- ${note} (${experiments.join(', ')})`);
  return ['## What the experiments say of themselves', lines.join('\n')];
}

/** Headings one level lower, and links to neighbouring files as plain text, as those are not inside the report. */
function lowered(text: string): string {
  return text.replace(/^(#+) /gm, '#$1 ').replace(/\[([^\]]*)\]\((?!https?:)[^)]*\)/g, '$1');
}
