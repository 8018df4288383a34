// `npm test [-- mocha options and files]`: runs mocha and ends with `N passed, N failed, N skipped`, counted from the run.
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'cer-test-'));
const file = path.join(folder, 'counts.json');
const mocha = path.join(path.dirname(require.resolve('mocha/package.json')), 'bin', 'mocha.js');
const options = process.argv.slice(2);
const files = options.filter((option) => option.endsWith('.ts') || option.startsWith('test/'));
const result = spawnSync(
  process.execPath,
  [
    mocha,
    '--reporter',
    path.join(__dirname, 'reporter.cjs'),
    ...options,
    ...(files.length > 0 ? [] : ['test/**/*.test.ts']),
  ],
  { cwd: path.join(__dirname, '..'), stdio: 'inherit', env: { ...process.env, CER_TEST_COUNTS: file } },
);
let counts = { passed: 0, failed: 0, skipped: 0, finished: false };
try {
  counts = JSON.parse(fs.readFileSync(file, 'utf8'));
} catch {}
fs.rmSync(folder, { recursive: true, force: true });
let failed = counts.failed;
if (!counts.finished || (result.status !== 0 && failed === 0)) {
  console.error(
    `The test run did not finish (${result.signal ?? `exit ${result.status}`}); that counts as one failure.`,
  );
  failed++;
}
console.log(`${counts.passed} passed, ${failed} failed, ${counts.skipped} skipped`);
process.exit(failed === 0 && counts.passed > 0 ? 0 : 1);
