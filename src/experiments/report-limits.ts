import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { markdownTable } from '../notebook/markdown-table';
import { CHECKPOINTS, type Provenance } from '../training/trained-model';
import type { Finding } from './findings';
import { markdownToHtml } from './markdown';

/** What limits are read from. */
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
export function limitsSection({ profile, findings, checkpoints = CHECKPOINTS, known }: LimitSources): string {
  const trainings = trainingRows(checkpoints);
  const samplings = samplingRows(findings);
  const parts = [
    '# Limits',
    scaleText(profile, findings),
    ...(trainings.length > 0
      ? ['## Trainings behind these numbers', markdownTable(trainings), spreadText(trainings)]
      : []),
    ...(samplings.length > 0 ? ['## Seeds behind the error bars', markdownTable(samplings)] : []),
    ...notesOf(findings),
    lowered(known ?? (existsSync(KNOWN) ? readFileSync(KNOWN, 'utf8') : '')),
  ];
  return `<section id="limits">${markdownToHtml(parts.join('\n\n'))}</section>`;
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

/** One row per model as it was trained: equal trainings under several seeds are one. */
export function trainingRows(folder: string): TrainingRow[] {
  const seeds = new Map<string, { row: TrainingRow; seeds: Set<number> }>();
  for (const { model, seed, data, parameters, steps } of provenances(folder)) {
    const name = JSON.stringify([model, data.size, data.images, parameters, steps]);
    const found = seeds.get(name) ?? {
      seeds: new Set<number>(),
      row: {
        model,
        'training seeds': 0,
        'image side': data.size,
        'training images': data.images,
        classes: data.classes.length,
        parameters,
        steps,
      },
    };
    found.seeds.add(seed);
    seeds.set(name, found);
  }
  return [...seeds.values()].map(({ row, seeds: own }) => ({ ...row, 'training seeds': own.size }));
}

function provenances(folder: string): Provenance[] {
  if (!existsSync(folder)) return [];
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.json'));
  return files.sort().flatMap((file) => {
    try {
      const content: Partial<Provenance> = JSON.parse(readFileSync(join(folder, file), 'utf8'));
      return content.model && content.data?.images && content.data.classes ? [content as Provenance] : [];
    } catch {
      return []; // no provenance
    }
  });
}

function spreadText(rows: readonly TrainingRow[]): string {
  const once = rows.filter((row) => row['training seeds'] < 2).map(({ model }) => model);
  if (once.length === 0) return '';
  const names = [...new Set(once)].join(', ');
  return `Trained once: ${names}. Error bars then cover sampling alone, and another training may change what they say.`;
}

/** How many seeds the tables of each experiment hold. */
function samplingRows(findings: readonly Finding[]): { experiment: string; seeds: number; rows: number }[] {
  return findings.flatMap(({ experiment, tables }) => {
    const rows = Object.values(tables).flat() as { seed?: unknown }[];
    const seeds = new Set(rows.map(({ seed }) => seed).filter((seed) => typeof seed === 'number'));
    return seeds.size > 0 ? [{ experiment, seeds: seeds.size, rows: rows.length }] : [];
  });
}

/** What the experiments themselves say of how far they reach, each remark once. */
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
