import { strict as assert } from 'node:assert';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const root = join(__dirname, '..', '..');
const script = `
const tf = require('@tensorflow/tfjs');
const { useBackend } = require('./src/runtime/backend.ts');
useBackend('tensorflow').then(({ name }) => {
  const gradient = tf.grad((x) => tf.matMul(x, x, false, true).square().sum())(tf.tensor2d([[1, 2], [3, 4]]));
  console.log(JSON.stringify({ name, gradient: Array.from(gradient.dataSync()) }));
});`;

describe('runtime/backend tensorflow', () => {
  it('runs forward and backward natively where the library is', function () {
    const run = spawnSync(process.execPath, ['--import', 'tsx', '-e', script], { cwd: root, encoding: 'utf8' });
    if (/Backend tensorflow/.test(run.stderr)) {
      console.log('      skipped: no native TensorFlow library here; `npm run native` builds it');
      return this.skip();
    }
    assert.equal(run.status, 0, run.stderr);
    const { name, gradient } = JSON.parse(run.stdout.trim().split('\n').pop() as string);
    assert.equal(name, 'tensorflow');
    // d/dX ||X X^T||^2 = 4 X X^T X, exact in float32 for these integers
    assert.deepEqual(gradient, [152, 216, 344, 488]);
  });
});
