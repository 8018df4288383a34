import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const root = join(__dirname, '..', '..');

/** A fenced piece of code on a page. */
export interface Block {
  /** `docs/scale-out.md:12`, the line of the fence. */
  where: string;
  page: string;
  language: string;
  text: string;
  /** What a test runs instead of a command that takes long, from the comment `<!-- run ... because: ... -->` above it. */
  short?: { text: string; because: string };
}

/** Pages written for people: the README and docs/. */
export function pageNames(): string[] {
  const pages = readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md'));
  return ['README.md', ...pages.sort().map((name) => `docs/${name}`)];
}

export function pageText(page: string): string {
  return readFileSync(join(root, page), 'utf8');
}

/** The fenced blocks of a page in their order. @throws Error for a fence without an end or a comment without a reason. */
export function blocksOf(page: string, text = pageText(page)): Block[] {
  const blocks: Block[] = [];
  const lines = text.split('\n');
  let short: Block['short'];
  for (let i = 0; i < lines.length; i++) {
    if (lines[i] === '<!-- run') {
      const end = lines.indexOf('-->', i);
      const because = lines[end - 1]?.match(/^because: (.+)$/)?.[1];
      if (end < 0 || !because)
        throw new Error(`${page}:${i + 1}: a comment "run" needs a line "because: ..." and an end`);
      short = { text: lines.slice(i + 1, end - 1).join('\n'), because };
      i = end;
      continue;
    }
    const language = lines[i].match(/^```(\w*)$/)?.[1];
    if (language === undefined) {
      if (lines[i].trim() !== '' && short)
        throw new Error(`${page}:${i + 1}: a comment "run" stands right above its block`);
      continue;
    }
    const end = lines.indexOf('```', i + 1);
    if (end < 0) throw new Error(`${page}:${i + 1}: a fence without an end`);
    blocks.push({ where: `${page}:${i + 1}`, page, language, text: lines.slice(i + 1, end).join('\n'), short });
    short = undefined;
    i = end;
  }
  return blocks;
}

/** A page without its fenced blocks and comments: what is read as prose. */
export function proseOf(page: string): string {
  return pageText(page)
    .replace(/^```[\s\S]*?^```$/gm, '')
    .replace(/<!--[\s\S]*?-->/g, '');
}

/** Anchors of the headings of a page, as GitHub makes them. */
export function anchorsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\- _]/gu, '')
      .replace(/ /g, '-'),
  );
}

/** What the comments behind `console.log(...)` say that it prints. */
export function saidOutput(code: string): string[] {
  return [...code.matchAll(/^console\.log\(.*\); \/\/ (.+)$/gm)].map(([, output]) => output);
}
