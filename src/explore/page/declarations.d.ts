// What the bundler puts into the page; see ../build.ts.
declare module '*.wasm' {
  const bytes: Uint8Array;
  export default bytes;
}
/** The worker's bundle as text: it is started from a blob, so that it runs from file:// too. */
declare const WORKER_SOURCE: string;
