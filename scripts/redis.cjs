// Redis is optional: only the tests of the sweep queue start one, on loopback and for themselves.
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');

const hasRedis = () => spawnSync('redis-server', ['--version']).status === 0;

/** Runs an installation; Debian's packages start what they install unless `policy` forbids it. One that is there is left as it is. */
function withoutServices(action, policy = '/usr/sbin/policy-rc.d') {
  let ours = false;
  try {
    fs.writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755, flag: 'wx' });
    ours = true;
  } catch {
    // there is one already, or it cannot be written
  }
  try {
    return action();
  } finally {
    if (ours) fs.rmSync(policy, { force: true });
  }
}

module.exports = { hasRedis, withoutServices };
