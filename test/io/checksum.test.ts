import { strict as assert } from 'node:assert';
import { createHash } from 'node:crypto';
import { canonicalJson, checksum, requireChecksum, withChecksum } from '../../src/io/checksum';

describe('io/checksum', () => {
  it('is SHA-256 over lengths and bytes, so that moving a byte from one part to the next changes it', () => {
    const plain = createHash('sha256').update('2:ab3:cde').digest('hex');
    assert.equal(checksum(['ab', new TextEncoder().encode('cde')]), plain);
    const others = [['abc', 'de'], ['abcde'], ['ab', 'cde', ''], ['cde', 'ab'], []].map(checksum);
    assert.equal(new Set([plain, ...others]).size, 6);
  });

  it('does not depend on the order of fields, also nested and integer-like ones', () => {
    assert.equal(canonicalJson({ b: [{ d: 1, c: 2 }], a: undefined, 10: 0 }), '{"10":0,"b":[{"c":2,"d":1}]}');
    assert.equal(canonicalJson(JSON.parse('{"__proto__": {"b": 1, "a": 2}}')), '{"__proto__":{"a":2,"b":1}}');
    assert.equal(withChecksum({ a: 1, b: 2 }).checksum, withChecksum({ b: 2, a: 1 }).checksum);
  });

  it('finds every flipped bit of a stored row that changes its value', () => {
    const row = { key: 'ot:3', seed: 17, loss: -1.5e-7, values: [1, 0.1, null], nested: { note: 'ä\n', done: true } };
    const bytes = Buffer.from(JSON.stringify(withChecksum(row)));
    assert.deepEqual(requireChecksum('row', JSON.parse(String(bytes))), row);
    let refused = 0;
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      const flipped = Buffer.from(bytes);
      flipped[bit >> 3] ^= 1 << (bit & 7);
      let stored: unknown;
      try {
        stored = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(flipped));
      } catch {
        refused++; // no JSON any more
        continue;
      }
      try {
        assert.deepEqual(requireChecksum('row', stored), row, `bit ${bit}: ${flipped}`); // 1e-7 as 1E-7
      } catch (error) {
        if ((error as Error).name !== 'FileFormatError') throw error;
        refused++;
      }
    }
    assert.ok(refused >= 8 * bytes.length - 1, `${refused} of ${8 * bytes.length}`);
  });

  it('says what is wrong', () => {
    const stored = { ...withChecksum({ a: 1 }), a: 2 };
    assert.throws(() => requireChecksum('rows.jsonl, line 3', stored, 'Run it again.'), {
      name: 'FileFormatError',
      message: /^rows.jsonl, line 3: got content with checksum [0-9a-f]{64}; expected the checksum .* Run it again\.$/,
    });
    for (const none of [{ a: 1 }, null, 5]) {
      assert.throws(() => requireChecksum('row', none), { message: /without a checksum; expected a field `checksum`/ });
    }
  });
});
