// `npm run docs`: writes the generated pages docs/cli.md, docs/paper-to-code.md, docs/results.md and docs/speed.md and the results in the README, then the API pages of TypeDoc into
// docs/api (not committed). `-- --pages` writes the pages alone, `-- --check` says whether they are current.
require('tsx');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const root = path.join(__dirname, '..');
const { cliReference } = require(path.join(root, 'src', 'cli', 'reference.ts'));
const { paperPage } = require(path.join(root, 'src', 'paper', 'page.ts'));
const { speedPage } = require(path.join(root, 'bench', 'shared-speed-page.ts'));
const { readmeResults, resultsPage } = require(path.join(root, 'src', 'study', 'results-page.ts'));

/** The README with the results between its two marks. */
function readme() {
  const text = fs.readFileSync(path.join(root, 'README.md'), 'utf8');
  return text.replace(
    /(<!-- results[^>]*-->\n)[\s\S]*?(<!-- end of results -->)/,
    (_, begin, end) => `${begin}\n${readmeResults()}\n\n${end}`,
  );
}

const stale = [];
for (const [name, text] of [
  ['docs/cli.md', cliReference()],
  ['docs/paper-to-code.md', paperPage()],
  ['docs/results.md', resultsPage()],
  ['docs/speed.md', speedPage()],
  ['README.md', readme()],
]) {
  const file = path.join(root, name);
  if (fs.existsSync(file) && fs.readFileSync(file, 'utf8') === text) continue;
  stale.push(name);
  if (!process.argv.includes('--check')) fs.writeFileSync(file, text);
}
if (process.argv.includes('--check')) {
  for (const name of stale) console.log(`${name} is not current: npm run docs`);
  process.exit(stale.length > 0 ? 1 : 0);
}
console.log(stale.length > 0 ? `written: ${stale.join(', ')}` : 'the generated pages are current');
if (!process.argv.includes('--pages')) {
  const typedoc = path.join(path.dirname(require.resolve('typedoc/package.json')), 'bin', 'typedoc');
  process.exit(spawnSync(process.execPath, [typedoc], { cwd: root, stdio: 'inherit' }).status ?? 1);
}
