import { strict as assert } from 'node:assert';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkedEntries, paper, statements } from '../../src/paper';
import { ASSUMPTIONS, STATEMENTS } from '../../src/theory/claim';

const root = join(__dirname, '..', '..');

describe('paper/index (the registry)', () => {
  it('has every statement, the 4 assumptions, the algorithm, 3 tables and 3 figures, each once', () => {
    assert.deepEqual(
      checkedEntries.map((entry) => entry.id),
      [...STATEMENTS, ...ASSUMPTIONS],
    );
    const count = (kind: string) => paper.filter((entry) => entry.kind === kind).length;
    assert.deepEqual(['assumption', 'algorithm', 'table', 'figure'].map(count), [4, 1, 3, 3]);
    assert.equal(new Set(paper.map((entry) => entry.id)).size, paper.length);
    assert.equal(paper.length, statements.length + 11);
  });

  it('has all 16 statements that the paper numbers, and the Sinkhorn step', () => {
    const numbered = /^(theorem-[1-3]|proposition-[12]|definition-[12]|lemma-[1-9])$/;
    assert.equal(STATEMENTS.filter((id) => numbered.test(id)).length, 16);
    assert.ok(STATEMENTS.includes('sinkhorn'));
  });

  it('at least three quarters of the checks could come out the other way', () => {
    const tests = checkedEntries.filter(({ nature }) => nature === 'test').length;
    assert.ok(tests / checkedEntries.length >= 0.75, `${tests} of ${checkedEntries.length}`);
  });

  for (const entry of paper) {
    it(`${entry.id}: its function, test and notebook exist`, () => {
      const source = require(join(root, entry.source)) as Record<string, unknown>;
      assert.equal(typeof source[entry.function], 'function', `${entry.function} is exported by ${entry.source}`);
      assert.ok(existsSync(join(root, entry.test)), entry.test);
      const mentioned = readFileSync(join(root, entry.test), 'utf8').includes(entry.function);
      assert.ok(mentioned, `${entry.test} tests ${entry.function}`);
      assert.ok(existsSync(join(root, entry.notebook)), entry.notebook);
    });
  }

  it('says of every entry what is computed, what is the paper’s and what is ours', () => {
    for (const { id, statement, checked, paper: theirs, ours } of paper) {
      for (const text of [statement, checked, theirs, ours]) assert.ok(text.trim().endsWith('.'), `${id}: "${text}"`);
    }
  });
});
