import type { Forecast } from '../study/dry-run';

/** A duration for people: `40 s`, `12 min`, `3.5 h`, `2 days`. */
export function duration(seconds: number): string {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min`;
  if (seconds < 36 * 3600) return `${Number((seconds / 3600).toPrecision(2))} h`;
  return `${Math.round(seconds / 86_400)} days`;
}

/** A size for people, from MiB. */
export function size(megabytes: number): string {
  return megabytes < 1024 ? `${Math.ceil(megabytes)} MiB` : `${(megabytes / 1024).toFixed(1)} GiB`;
}

/** An estimate in words, with at most two digits, since it is no more accurate. */
export function estimateText({ seconds, megabytes, basis }: Forecast): string {
  return `estimate: about ${duration(seconds)}, about ${size(megabytes)} of memory (${basis})`;
}

function inWords(value: unknown): string {
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value.join(', ');
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** What a dry run prints: the configuration in effect, one `name  value` per line, then the estimate. */
export function dryRunText(configuration: Record<string, unknown>, estimate: Forecast): string {
  const width = Math.max(...Object.keys(configuration).map((name) => name.length));
  const lines = Object.entries(configuration).map(([name, value]) => {
    return `  ${name.padEnd(width)}  ${inWords(value)}`;
  });
  return ['would run with', ...lines, estimateText(estimate), 'dry run: nothing was done'].join('\n');
}
