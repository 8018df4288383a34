import type { DecayResult } from './decay/compute';
import type { DecaySettings } from './decay/settings';
import type { FlowFrame, FlowScene } from './flow/compute';
import type { FlowSettings } from './flow/settings';

/** Requests of the page to its worker, and the parts of each answer. */
interface Tasks {
  flow: { settings: FlowSettings; part: FlowScene | FlowFrame };
  decay: { settings: DecaySettings; part: DecayResult };
}

export type Question = { [T in keyof Tasks]: { id: number; task: T; settings: Tasks[T]['settings'] } }[keyof Tasks];
export type Answer = { id: number; part?: unknown; done?: true; error?: string };

interface Listener<P> {
  onPart(part: P): void;
  onDone(): void;
  onError(message: string): void;
}

let worker: Worker | undefined;
let asked = 0;
const waiting = new Map<number, Listener<unknown>>();
const newest = new Map<keyof Tasks, number>();

/** Requests an answer in parts; an open request for the same task is dropped. */
export function compute<T extends keyof Tasks>(
  task: T,
  settings: Tasks[T]['settings'],
  listener: Listener<Tasks[T]['part']>,
): void {
  worker ??= start();
  waiting.delete(newest.get(task) ?? -1);
  const id = ++asked;
  newest.set(task, id);
  waiting.set(id, listener as Listener<unknown>);
  worker.postMessage({ id, task, settings });
}

function start(): Worker {
  const url = URL.createObjectURL(new Blob([WORKER_SOURCE], { type: 'text/javascript' }));
  const created = new Worker(url);
  created.onmessage = ({ data }: MessageEvent<Answer>) => {
    const listener = waiting.get(data.id);
    if (!listener) return;
    if (data.part !== undefined) listener.onPart(data.part);
    else {
      waiting.delete(data.id);
      if (data.error === undefined) listener.onDone();
      else listener.onError(data.error);
    }
  };
  created.onerror = (event) => {
    for (const listener of waiting.values()) listener.onError(event.message || 'The computing thread failed.');
    waiting.clear();
  };
  return created;
}
