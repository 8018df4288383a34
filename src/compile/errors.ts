import { CerError, type Explanation } from '../runtime/errors';

/** A function cannot be turned into a graph, or ONNX Runtime refuses the graph. */
export class CompileError extends CerError {
  constructor(what: string, explanation: Explanation) {
    super('compile', what, explanation);
  }
}

/** Stack lines of libraries (tfjs under the paths of its source maps), this compiler and Node. */
const OWN = /[\\/]node_modules[\\/]|[\\/]tfjs-\w+[\\/]|[\\/]src[\\/](compile[\\/]|runtime[\\/]random)|^\s*at .*node:/;

/** The innermost line of a stack that is neither this compiler nor a library: `file:line:column`. */
export function userLine(stack: string | undefined): string {
  const frame = stack
    ?.split('\n')
    .find((line) => /^\s*at /.test(line) && !OWN.test(line) && !/<anonymous>$/.test(line));
  const place = frame?.match(/\(([^()]+:\d+:\d+)\)|at (?:async )?(\S+:\d+:\d+)/);
  return place ? (place[1] ?? place[2]) : 'an unknown line';
}

/** The current call stack, innermost function first. Without source maps, which take a tenth of a second and 20 MB to read. */
export function callers(): { name: string; file: string }[] {
  const prepare = Error.prepareStackTrace;
  Error.prepareStackTrace = (_, sites) => sites;
  try {
    const sites = new Error().stack as unknown as NodeJS.CallSite[];
    return sites.map((site) => ({ name: site.getFunctionName() ?? '', file: site.getFileName() ?? '' }));
  } finally {
    Error.prepareStackTrace = prepare;
  }
}

/** Runs `body` with stacks deep enough to reach the user's code. */
export function withDeepStacks<T>(body: () => T): T {
  const before = Error.stackTraceLimit;
  Error.stackTraceLimit = 100;
  try {
    return body();
  } finally {
    Error.stackTraceLimit = before;
  }
}
