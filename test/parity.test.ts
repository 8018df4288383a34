import assert from 'node:assert/strict';
import { planParity, runPlanned } from '../src/parity';
import { useBackend } from '../src/runtime/backend';

describe('parity with the recorded reference', () => {
  before(async () => {
    await useBackend();
  });

  const { planned, other } = planParity('data/reference');

  it('recognises every file of the shipped reference', () => {
    assert.deepEqual(other, []);
    assert.deepEqual(
      planned.filter(({ runner }) => !runner).map(({ given }) => given.name),
      [],
    );
    assert.ok(planned.length >= 36, `only ${planned.length} cases`);
  });

  for (const item of planned) {
    it(item.given.name, async () => {
      const rows = await runPlanned(item);
      const failed = rows.filter((row) => !row.holds);
      assert.deepEqual(failed, []);
      assert.ok(rows.length > 0);
    }).timeout(60_000);
  }
});
