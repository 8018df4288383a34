import { strict as assert } from 'node:assert';
import * as fc from 'fast-check';
import { canonicalJson, leaves, refuseUnknown, stableHash, valueAt, withChanges } from '../../src/sweep/configuration';

describe('sweep/configuration', () => {
  it('the hash is SHA-256 of the sorted JSON, so that it stays the same over the years', () => {
    // sha256('{"a":[1,{"c":null,"d":"x"}],"b":true}') by sha256sum
    const value = { b: true, a: [1, { d: 'x', c: null }] };
    assert.equal(canonicalJson(value), '{"a":[1,{"c":null,"d":"x"}],"b":true}');
    assert.equal(stableHash(value), 'f6658db83e97a2fdd06cd6f6f955685c');
  });

  it('the order of names does not matter, that of a list does', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
        const turned = Object.fromEntries(Object.entries(value).reverse());
        assert.equal(stableHash(turned), stableHash(value));
      }),
    );
    assert.notEqual(stableHash([1, 2]), stableHash([2, 1]));
    assert.equal(canonicalJson({ eta: Number.POSITIVE_INFINITY }), '{"eta":"Infinity"}');
  });

  it('dotted names reach into nested objects and leave the base as it was', () => {
    const base = { model: 'AR', refinement: { method: 'none', epsilon: 0.05 } };
    const changed = withChanges(base, { 'refinement.epsilon': 0.2, 'buffer.size': 50 });
    assert.deepEqual(changed, { ...base, refinement: { method: 'none', epsilon: 0.2 }, buffer: { size: 50 } });
    assert.equal(base.refinement.epsilon, 0.05);
    assert.deepEqual(withChanges({}, { 'toString.x': 1 }), { toString: { x: 1 } }); // an inherited name is a name like others
    assert.equal(valueAt({}, 'toString'), undefined);
    assert.throws(() => withChanges({}, { '__proto__.x': 1 }), /prototype/);
    const values = ['refinement.epsilon', 'refinement', 'refinement.size', 'model.size'].map((name) =>
      valueAt(base, name),
    );
    assert.deepEqual(values, [0.05, base.refinement, undefined, undefined]);
    assert.deepEqual([...leaves(changed).keys()], ['model', 'refinement.method', 'refinement.epsilon', 'buffer.size']);
  });

  it('names that a parser leaves out are refused with the nearest known one', () => {
    const known = ['model', 'refinement.epsilon'];
    refuseUnknown('test', { refinement: { epsilon: 1 } }, known);
    assert.throws(() => refuseUnknown('test', { refinement: { epsilom: 1 } }, known), /perhaps refinement.epsilon/);
    assert.throws(() => refuseUnknown('test', { modell: 'AR' }, known), /perhaps model/);
  });
});
