// What must be there before any TypeScript can be loaded: without a temporary folder or enough open files, its loader
// waits for ever. Plain CommonJS without a package.
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

/** Open files that a command with a kernel and a Chromium needs beside those that are open when it starts. */
const FILES = 160;

/** What keeps this machine from running anything, in words with a remedy, or undefined. */
function checkMachine() {
  const open = [];
  try {
    while (open.length < FILES) open.push(fs.openSync(__filename));
  } catch (error) {
    if (error.code !== 'EMFILE' && error.code !== 'ENFILE') throw error;
    return `Open files: got a limit that leaves ${open.length} more; expected at least ${FILES}. Raise it: \`ulimit -n 1024\`.`;
  } finally {
    for (const handle of open) fs.closeSync(handle);
  }
  try {
    fs.rmdirSync(fs.mkdtempSync(path.join(os.tmpdir(), 'cer-')));
  } catch (error) {
    return `Temporary folder: got ${os.tmpdir()}, where nothing can be written (${error.code}); expected a folder of your own. Set TMPDIR to one.`;
  }
  return undefined;
}

module.exports = { checkMachine };
