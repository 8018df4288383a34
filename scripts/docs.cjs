// `npm run docs`: writes the generated pages docs/cli.md and docs/paper-to-code.md, then the API pages of TypeDoc into
// docs/api (not committed). `-- --pages` writes the pages alone, `-- --check` says whether they are current.
require('tsx');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const root = path.join(__dirname, '..');
const { cliReference } = require(path.join(root, 'src', 'cli', 'reference.ts'));
const { paperPage } = require(path.join(root, 'src', 'paper', 'page.ts'));

const stale = [];
for (const [name, text] of [
  ['cli.md', cliReference()],
  ['paper-to-code.md', paperPage()],
]) {
  const file = path.join(root, 'docs', name);
  if (fs.existsSync(file) && fs.readFileSync(file, 'utf8') === text) continue;
  stale.push(`docs/${name}`);
  if (!process.argv.includes('--check')) fs.writeFileSync(file, text);
}
if (process.argv.includes('--check')) {
  for (const name of stale) console.log(`${name} is not current: npm run docs`);
  process.exit(stale.length > 0 ? 1 : 0);
}
console.log(stale.length > 0 ? `written: ${stale.join(', ')}` : 'docs/cli.md and docs/paper-to-code.md are current');
if (!process.argv.includes('--pages')) {
  const typedoc = path.join(path.dirname(require.resolve('typedoc/package.json')), 'bin', 'typedoc');
  process.exit(spawnSync(process.execPath, [typedoc], { cwd: root, stdio: 'inherit' }).status ?? 1);
}
