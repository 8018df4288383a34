/** Where output goes: to the cell of a tslab kernel, or as text to the terminal. */

/** The forms of one output by MIME type; a notebook shows the richest that it can. */
export type Bundle = Record<string, string>;

type Write = (
  message: { data: Bundle; metadata: object; transient: { display_id?: string } },
  update?: boolean,
) => unknown;

const shared = globalThis as { cerPending?: Set<Promise<unknown>> };
shared.cerPending ??= new Set();
/** Work that a cell must not leave behind: the kernel's launcher waits for it before it calls the cell finished. */
const pending = shared.cerPending;

/** tslab's writer of the cell that runs now; tslab has no public way to send several MIME types as one output. */
function kernelWriter(): Write | undefined {
  for (const [path, loaded] of Object.entries(require.cache)) {
    if (/[\\/]tslab[\\/]dist[\\/]jupyter\.js$/.test(path)) return loaded?.exports.lastWriteDisplayData ?? undefined;
  }
  return undefined;
}

/** Whether this code runs in a notebook's kernel. */
export function inNotebook(): boolean {
  return kernelWriter() !== undefined;
}

/** Sends one output to the running cell; outside a notebook prints `text`. `id` makes it replaceable by `update`. */
export function publish(bundle: Bundle, text: string, id?: string, update = false): void {
  const write = kernelWriter();
  if (write) write({ data: bundle, metadata: {}, transient: id ? { display_id: id } : {} }, update);
  else console.log(text);
}

/** Lets the cell wait for `work` also where its author wrote no `await`. */
export function finishWithCell<T>(work: Promise<T>): Promise<T> {
  pending.add(work);
  const forget = () => pending.delete(work);
  work.then(forget, forget);
  return work;
}
