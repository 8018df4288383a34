#!/usr/bin/env node
// `cer`: runs the TypeScript sources directly, so there is no build that could be stale.
const fs = require('node:fs');
const path = require('node:path');

const main = path.join(__dirname, '..', 'src', 'cli', 'main.ts');
if (!fs.existsSync(main)) {
  console.error(
    'cer: this is the library alone. The command works in a checkout of the project, with its notebooks and weights.',
  );
  process.exit(3);
}
try {
  process.cwd();
} catch {
  console.error('cer: the current folder no longer exists. Change to another one first.');
  process.exit(3);
}
const problem = require('../scripts/check-machine.cjs').checkMachine();
if (problem) {
  console.error(`cer: ${problem}`);
  process.exit(3);
}
try {
  require('tsx'); // both loaders: the verbs use `await import(...)`
} catch {
  console.error('cer: the packages are not installed. Run `npm run setup` in the project folder first.');
  process.exit(3);
}
require(main).main(process.argv);
