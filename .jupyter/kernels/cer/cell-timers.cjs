const promises = require('node:timers/promises');
const util = require('node:util');

let current = 0;
const stopped = new Set();

/** Says that the next cell begins, whose timers are its own. */
function begin() {
  current++;
}

/**
 * Lets the timers of the running cell fall away: a loop that waits between its turns ends there instead of going on
 * behind the cells that follow. Timers that modules and packages set for themselves stay.
 */
function stop() {
  stopped.add(current);
}

/** Whether the caller of `replacement` is code of a cell (as node:vm calls code without a file). */
function calledByCell(replacement) {
  const { prepareStackTrace, stackTraceLimit } = Error;
  const caller = {};
  try {
    Error.stackTraceLimit = 1;
    Error.prepareStackTrace = (_, [site]) => site?.getFileName();
    Error.captureStackTrace(caller, replacement);
    return caller.stack === 'evalmachine.<anonymous>';
  } finally {
    Object.assign(Error, { prepareStackTrace, stackTraceLimit });
  }
}

function guardCallbacks(name) {
  const original = globalThis[name];
  function replacement(callback, ...rest) {
    if (typeof callback !== 'function' || !calledByCell(replacement)) return original(callback, ...rest);
    const own = current;
    const guarded = function (...values) {
      if (stopped.has(own)) clearInterval(this);
      else callback.apply(this, values);
    };
    return original(guarded, ...rest);
  }
  globalThis[name] = Object.assign(replacement, { [util.promisify.custom]: promises[name] });
}

function guardPromise(name) {
  const original = promises[name];
  promises[name] = function replacement(...given) {
    const waited = original(...given);
    if (!calledByCell(replacement)) return waited;
    const own = current;
    return waited.then((value) => (stopped.has(own) ? new Promise(() => {}) : value));
  };
}

for (const name of ['setTimeout', 'setImmediate']) guardPromise(name);
for (const name of ['setTimeout', 'setImmediate', 'setInterval']) guardCallbacks(name);

module.exports = { begin, stop };
