import { strict as assert } from 'node:assert';
import { decayParts, type StableDecay, type UnstableDecay } from '../../src/explore/page/decay/compute';
import { type DecaySettings, decayControls, decayPresets } from '../../src/explore/page/decay/settings';
import { describeDecay, largestRatio } from '../../src/explore/page/decay/words';
import { initialValues } from '../../src/explore/page/state';

const initial = initialValues(decayControls);
function run(changes: Partial<DecaySettings>) {
  const settings = { ...initial, ...changes };
  const parts = [...decayParts(settings)];
  return {
    settings,
    parts,
    last: parts[parts.length - 1],
    words: () => describeDecay(settings, parts[parts.length - 1]),
  };
}

describe('the decay on the page', () => {
  it('stays under the bound for every preset that keeps Assumption 4, and the mean gradient falls by beta', () => {
    for (const { changes } of decayPresets) {
      const { root } = { ...initial, ...changes };
      if (root >= 1) continue;
      const { last, settings } = run(changes);
      const result = last as StableDecay;
      assert.equal(result.kind, 'stable');
      assert.ok(largestRatio(result) <= 1 + 1e-12);
      assert.ok(Math.abs(result.radius - settings.root) < 1e-9);
      // The second root still shows in the second half: at a share of 0.9 of the first it costs a few per cent.
      if (settings.start > 0) assert.ok(Math.abs(result.shiftRate! / settings.root - 1) < 0.05);
    }
  });

  it('the influence decays in the chain and not in the control', () => {
    const { last, parts, words } = run({});
    assert.equal(parts.length, 2);
    const { chain, held } = (last as StableDecay).influence!;
    assert.ok(chain.beta.high < 0.95, `chain ${chain.beta.value}`);
    // Forty times the control's own error and a hundredth of the chain's distance from 1.
    assert.ok(Math.abs(held.beta.value - 1) < 0.02, `held ${held.beta.value}`);
    assert.match(words(), /the control does not decay/);
  });

  it('a chain at rest has nothing to decay', () => {
    const { last, words } = run({ start: 0 });
    const { norms, shifts, shiftRate } = last as StableDecay;
    assert.ok(norms[39] >= norms[0]);
    assert.equal(shifts.length, 0);
    assert.equal(shiftRate, undefined);
    assert.match(words(), /starts at rest/);
  });

  it('says that Assumption 4 is violated, and shows growth instead of a bound', () => {
    const { last, parts, words } = run({ root: 1.05 });
    assert.equal(parts.length, 1);
    const { means } = last as UnstableDecay;
    assert.equal(last.kind, 'unstable');
    assert.ok(means[39] > means[0]);
    assert.match(words(), /Assumption 4 is violated/);
  });
});
