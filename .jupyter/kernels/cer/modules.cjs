const fs = require('node:fs');

const seen = new Map();
let previous = Date.now();

/**
 * Lets a cell that is run again see the edited source: when a loaded module under `folder` has changed on disk, all of
 * them are forgotten, and the next `import` loads them anew. Values that earlier cells hold stay as they are. To be called
 * before each cell: a module that is new here was loaded since the call before, and has changed if it was written since.
 */
function forgetChangedModules(folder) {
  const loaded = Object.keys(require.cache).filter((file) => file.startsWith(folder));
  let changed = false;
  for (const file of loaded) {
    const time = fs.statSync(file, { throwIfNoEntry: false })?.mtimeMs;
    if (seen.has(file) ? seen.get(file) !== time : time > previous) changed = true;
    seen.set(file, time);
  }
  previous = Date.now();
  if (!changed) return;
  for (const file of loaded) {
    delete require.cache[file];
    seen.delete(file);
  }
}

module.exports = { forgetChangedModules };
