import { strict as assert } from 'node:assert';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { IdealConditions } from '../../src/refinement/ideal-conditions';
import { loadIdealConditions, saveIdealConditions } from '../../src/refinement/ideal-file';
import { foldIn, key, normal, randint } from '../../src/runtime/random';

const width = 3;

/** Classes 0 and 1 with latents and masks; the second has more rows than there is room for. */
function filled(): IdealConditions {
  const buffer = new IdealConditions({
    width,
    grouping: 'class-position',
    capacity: 4,
    fingerprint: 'model',
    channels: 2,
    tokens: 10,
  });
  for (const [label, count] of [
    [0, 3],
    [1, 9],
  ]) {
    const source = foldIn(key(1), label);
    buffer.add(
      {
        conditions: Float32Array.from(normal(source, count * width)),
        latents: Float32Array.from(normal(foldIn(source, 'z'), count * 2)),
        visibleTokens: Uint8Array.from(randint(foldIn(source, 'known'), count * 10, 0, 2)),
        classes: new Int32Array(count).fill(label),
        positions: new Int32Array(count).fill(5),
        steps: new Int32Array(count),
      },
      key(2),
    );
  }
  return buffer;
}

describe('refinement/ideal-conditions, kept and saved', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'ideal-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  it('a half-life weighs rows by age: 2^(-age / halfLife)', () => {
    const [capacity, halfLife, offered, runs] = [20, 40, 200, 300];
    const origin = new Int32Array(offered);
    const rows = {
      conditions: Float32Array.from(origin, (_, i) => i),
      classes: origin,
      positions: origin,
      steps: origin,
    };
    const young = { kept: 0, expected: 0 };
    for (let run = 0; run < runs; run++) {
      const buffer = new IdealConditions({
        width: 1,
        grouping: 'global',
        capacity,
        fingerprint: '',
        replacement: { halfLife },
      });
      buffer.add(rows, foldIn(key(3), run));
      for (const row of buffer.law('all')!.targets) if (offered - 1 - row < halfLife) young.kept++;
    }
    // of all weight below age 200 >> 40 (but for 2^-5 of it) one half lies below one half-life
    young.expected = runs * capacity * 0.5;
    // rows of one buffer are nearly independent: 5 standard deviations of a binomial count
    const deviation = Math.sqrt(runs * capacity) / 2;
    assert.ok(Math.abs(young.kept - young.expected) < 5 * deviation, `${young.kept} against ${young.expected}`);
  });

  it('refuses a half-life that a group cannot have, and rows that are not finite', () => {
    const options = { width, grouping: 'global' as const, capacity: 100, fingerprint: '' };
    assert.throws(() => new IdealConditions({ ...options, replacement: { halfLife: 10 } }), /at least 68\.97 rows/);
    assert.throws(() => new IdealConditions({ ...options, replacement: { halfLife: -1 } }), /half-life/);
    const buffer = new IdealConditions(options);
    const row = { classes: [0], positions: [0], steps: [0] };
    assert.throws(() => buffer.add({ ...row, conditions: Float32Array.from([0, NaN, 0]) }, key(0)), /NaN in row 0/);
    assert.equal(buffer.groups.size, 0);
  });

  it('states its size: groups x capacity x bytes of a row with latent and mask', () => {
    assert.deepEqual(filled().size, {
      groups: 2,
      rows: 7,
      smallest: 3,
      largest: 4,
      bytesPerRow: 4 * (3 + 2) + 10,
      bytes: 2 * 4 * 30,
    });
  });

  it('a law and what follows from it are computed once, until rows are added', () => {
    const buffer = filled();
    const name = 'class 0, position 5';
    const law = buffer.law(name)!;
    assert.equal(buffer.law(name), law);
    assert.equal(law.moments, buffer.law('class 1, position 5')!.moments, 'pooled over the classes');
    const [mean, before] = [law.mean, buffer.inverse('ridge')];
    assert.equal(law.mean, mean);
    assert.equal(buffer.inverse('ridge'), before);
    const row = {
      conditions: new Float32Array(width),
      latents: new Float32Array(2),
      visibleTokens: new Uint8Array(10),
    };
    buffer.add({ ...row, classes: [0], positions: [5], steps: [0] }, key(5));
    assert.equal(buffer.law(name)!.count, law.count + 1);
    assert.notDeepEqual(buffer.law(name)!.mean, mean);
    assert.notEqual(buffer.inverse('ridge'), before);
    buffer.clear();
    assert.equal(buffer.law(name), undefined);
  });

  it('comes back from its file as it was, latents and masks with it, and goes on as if it had never left', () => {
    const path = join(folder, 'buffer.safetensors');
    const buffer = filled();
    saveIdealConditions(path, buffer);
    const loaded = loadIdealConditions(path, 'model');
    assert.deepEqual(loaded.groups, buffer.groups);
    assert.deepEqual(loaded, buffer);
    const more = {
      conditions: Float32Array.from(normal(key(9), 6 * width)),
      latents: new Float32Array(12),
      visibleTokens: new Uint8Array(60),
      classes: new Int32Array(6).fill(1),
      positions: new Int32Array(6).fill(5),
      steps: new Int32Array(6),
    };
    for (const each of [buffer, loaded]) each.add(more, key(4));
    assert.deepEqual(loaded.groups, buffer.groups);
  });

  it("refuses another model's file, an empty buffer, and damaged files", () => {
    const path = join(folder, 'buffer.safetensors');
    saveIdealConditions(path, filled());
    assert.throws(() => loadIdealConditions(path, 'other'), /a buffer of model model; expected .* other/);
    assert.throws(
      () => saveIdealConditions(path, new IdealConditions({ width, grouping: 'class', capacity: 4, fingerprint: '' })),
      /an empty buffer/,
    );
    const bytes = readFileSync(path);
    const damagedPath = join(folder, 'damaged.safetensors');
    const write = (from: string, to: string) =>
      writeFileSync(damagedPath, Buffer.from(bytes.toString('latin1').replace(from, to), 'latin1'));
    write('ideal conditions 2', 'ideal conditions 1');
    assert.throws(() => loadIdealConditions(damagedPath), /format ideal conditions 1/);
    write('\\"capacity\\":4', '\\"capacity\\":3');
    assert.throws(() => loadIdealConditions(damagedPath), /conditions of shape \[7,3\] where \[6, 3\] is announced/);
    const data = 8 + Number(bytes.readBigUInt64LE(0)); // behind the header
    writeFileSync(damagedPath, Buffer.from(bytes).fill(0xff, data));
    assert.throws(() => loadIdealConditions(damagedPath), /checksum/);
  });
});
