// Mocha's spec reporter, which also writes its counts to the file named in CER_TEST_COUNTS after every test, so that
// scripts/test.cjs can print them as the last line even when the run dies half-way.
const fs = require('node:fs');
const { reporters, Runner } = require('mocha');

class CountingReporter extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    const counts = { passed: 0, failed: 0, skipped: 0, finished: false };
    const save = () => {
      if (process.env.CER_TEST_COUNTS) fs.writeFileSync(process.env.CER_TEST_COUNTS, JSON.stringify(counts));
    };
    const count = (name) => () => {
      counts[name]++;
      save();
    };
    runner.on(Runner.constants.EVENT_TEST_PASS, count('passed'));
    runner.on(Runner.constants.EVENT_TEST_FAIL, count('failed'));
    runner.on(Runner.constants.EVENT_TEST_PENDING, count('skipped'));
    runner.on(Runner.constants.EVENT_RUN_END, () => {
      counts.finished = true;
      save();
    });
  }
}

module.exports = CountingReporter;
