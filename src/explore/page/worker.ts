import { loadKernels } from '../../transport/core';
import relaxed from '../../transport/kernels/relaxed.wasm';
import simd from '../../transport/kernels/simd.wasm';
import type { Answer, Question } from './computer';
import { decayParts } from './decay/compute';
import { flowParts } from './flow/compute';

// The page's second thread: everything that takes time is computed here, so that the picture never waits for it.
const scope = self as unknown as {
  onmessage: (event: MessageEvent<Question>) => void;
  postMessage(message: Answer): void;
};
const kernels = loadKernels(async (name) => (name === 'relaxed.wasm' ? relaxed : simd));
const latest = new Map<string, number>();

scope.onmessage = ({ data }) => void answer(data);

/** Answers part by part and stops as soon as a newer request for the same task has arrived. */
async function answer(question: Question): Promise<void> {
  const { task, id } = question;
  latest.set(task, id);
  try {
    await kernels;
    const parts: Iterable<unknown> = task === 'flow' ? flowParts(question.settings) : decayParts(question.settings);
    for (const part of parts) {
      if (latest.get(task) !== id) return;
      scope.postMessage({ id, part });
      await new Promise((resolve) => setTimeout(resolve)); // lets the next question in
    }
    scope.postMessage({ id, done: true });
  } catch (error) {
    scope.postMessage({ id, error: error instanceof Error ? error.message : String(error) });
  }
}
