import { strict as assert } from 'node:assert';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { checkedEntries } from '../../src/paper';
import { type ClaimRow, runClaims, summaryOf } from '../../src/paper/claims';
import { InvalidInputError } from '../../src/runtime/errors';

const cer = (...args: string[]) =>
  spawnSync(process.execPath, [join(__dirname, '..', '..', 'bin', 'cer.cjs'), 'claims', ...args], { encoding: 'utf8' });

describe('cer claims', () => {
  it('checks every entry within its minute; what fails or has a violated assumption is known', () => {
    const start = process.cpuUsage();
    const rows = runClaims({ seed: 1 });
    assert.deepEqual(
      rows.map((row) => row.id),
      checkedEntries.map((entry) => entry.id),
    );
    const of = (verdict: ClaimRow['verdict']) => rows.filter((row) => row.verdict === verdict).map((row) => row.id);
    assert.deepEqual(of('undecided'), []);
    assert.deepEqual(of('assumption violated'), ['lemma-4', 'assumption-3']);
    assert.deepEqual(of('fails'), [
      'definition-1-classes',
      'lemma-2-norms',
      'theorem-2-constants',
      'lemma-6-cross',
      'theorem-3-redrawn',
      'theorem-3-convexity',
      'assumption-4',
    ]);
    assert.ok(rows.every((row) => row.nature === 'test' || row.verdict === 'holds'));
    // Processor time: the tests may share their cores.
    assert.ok(process.cpuUsage(start).user < 60e6);
  });

  it('is a pure function of its seed', () => {
    const run = (seed: number) => runClaims({ seed, only: ['lemma-6'] }).map(({ measured }) => measured);
    assert.deepEqual(run(3), run(3));
    assert.notDeepEqual(run(3), run(4));
  });

  it('--json prints rows and nothing else; what fails or is violated is a result', () => {
    const { stdout, status } = cer('--json', '--only', 'theorem-2-law,assumption-3,assumption-4', '--seed', '5');
    assert.equal(status, 0);
    const rows = JSON.parse(stdout) as ClaimRow[];
    assert.deepEqual(
      rows.map((row) => row.id),
      ['theorem-2-law', 'assumption-3', 'assumption-4'],
    );
    for (const field of ['kind', 'statement', 'measured', 'error', 'expected', 'margin', 'verdict'] as const) {
      assert.ok(
        rows.every((row) => row[field] !== undefined),
        field,
      );
    }
    assert.match(rows[1].violations![0], /beta is capped/);
    assert.deepEqual(
      rows.map((row) => row.nature),
      ['test', 'test', 'test'],
    );
    assert.equal(rows[2].verdict, 'fails');
  });

  it('prints claim, computation, numbers, margin and verdict as text', () => {
    const { stdout, status } = cer('--only', 'theorem-3');
    assert.equal(status, 0);
    for (const part of [
      /^HOLDS\s+Theorem 3/m,
      /claim {5}W2/,
      /computed/,
      /measured .* expected = .* margin/,
      /1 claims, 0 of them identities: 1 hold/,
    ]) {
      assert.match(stdout, part);
    }
  });

  it('refuses unknown ids and seeds by name', () => {
    assert.throws(() => runClaims({ only: ['theorem-9'] }), InvalidInputError);
    const { status, stderr } = cer('--seed', '-1');
    assert.equal(status, 2);
    assert.match(stderr, /--seed.*-1/);
  });

  it('turns a result into a line of a summary', () => {
    const [row] = runClaims({ only: ['theorem-3-particles'] });
    const line = summaryOf(row, 'rho < 1');
    assert.equal(line.claim, 'Theorem 3, particles');
    assert.equal(line.error, 'exact');
    assert.match(line.ours, /0\.6667.*= 0\.6667/);
  });
});
