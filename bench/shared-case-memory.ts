import { join } from 'node:path';
import { useBackend } from '../src/runtime/backend';
import { onnxRuntime } from '../src/runtime/onnx-runtime';
import type { Comparison } from './shared-compare';
import { peakOf } from './shared-resident';

// A process of its own: prints by how many bytes preparing a case and running it a few times raises the peak of resident memory.
// The libraries are loaded before; weights, moments, tracing, sessions and helper threads count.
async function main(): Promise<void> {
  const [benchmark, name, threads, runs] = process.argv.slice(2);
  const { cases } = (await import(join(__dirname, `${benchmark}.ts`))) as { cases(): Comparison[] };
  const found = cases().find((item) => item.case === name);
  if (!found) throw new Error(`no case ${name} in ${benchmark}`);
  await useBackend();
  onnxRuntime();
  const bytes = await peakOf(async () => {
    const { run } = await found.prepare(Number(threads));
    for (let i = 0; i < Number(runs); i++) await run();
  });
  console.log(bytes);
  process.exit(); // whatever helpers and sessions are still there
}

void main();
