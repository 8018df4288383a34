#!/usr/bin/env node
// `cer`: runs the TypeScript sources directly, so there is no build that could be stale.
const path = require('node:path');

try {
  require('tsx'); // both loaders: the verbs use `await import(...)`
} catch {
  console.error('cer: the packages are not installed. Run `npm run setup` in the project folder first.');
  process.exit(3);
}
require(path.join(__dirname, '..', 'src', 'cli', 'main.ts')).main(process.argv);
