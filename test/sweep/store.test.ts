import { strict as assert } from 'node:assert';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { withChecksum } from '../../src/io/checksum';
import { type Row, RowStore } from '../../src/sweep/store';
import { makeTask } from '../../src/sweep/task';
import { toyExperiment } from '../../src/sweep/toy-experiment';
import { temporaryFolder } from './support';

const row = (seed: number, loss = 0): Row => ({
  ...makeTask(toyExperiment, { x: 1 }, seed),
  status: 'done',
  values: { loss },
  seconds: 0,
});

describe('sweep/store', () => {
  const folder = temporaryFolder();
  let serial = 0;
  const open = (leaseSeconds?: number) => new RowStore(join(folder, String(serial++)), { leaseSeconds });

  it('a row is written once: the second writer is told, and the first row stays', () => {
    const store = open();
    assert.equal(store.write(row(1, 10)), true);
    assert.equal(store.write(row(1, 20)), false);
    assert.deepEqual(store.read(row(1).key), row(1, 10));
    assert.equal(store.read(row(2).key), undefined);
    assert.deepEqual(readdirSync(store.claims), []); // no temporary file is left
  });

  it('a claim keeps others out until it is released or the row is there', () => {
    const store = open();
    const { key } = row(1);
    const claim = store.claim(key)!;
    assert.equal(store.claim(key), undefined);
    assert.equal(new RowStore(store.folder).claim(key), undefined);
    claim.release();
    const again = store.claim(key)!;
    store.write(row(1));
    again.release();
    assert.equal(store.claim(key), undefined);
    assert.deepEqual(readdirSync(store.claims), []);
  });

  it('the claim of a dead process of this machine is taken over at once, by one process only', () => {
    const store = open(3600);
    const { key } = row(1);
    const { pid } = spawnSync(process.execPath, ['-e', '']);
    writeFileSync(join(store.claims, `${key}.0`), JSON.stringify({ host: hostname(), pid }));
    const claim = store.claim(key)!;
    assert.ok(claim);
    assert.equal(store.claim(key), undefined);
    store.write(row(1));
    claim.release();
    assert.deepEqual(readdirSync(store.claims), []); // the dead claim is cleared away too
  });

  it('a claim of another machine is taken over when its lease has run out, not before', () => {
    const store = open(60);
    const { key } = row(1);
    const path = join(store.claims, `${key}.0`);
    writeFileSync(path, JSON.stringify({ host: 'elsewhere', pid: 1 }));
    assert.equal(store.claim(key), undefined);
    const past = new Date(Date.now() - 61_000);
    utimesSync(path, past, past);
    const claim = store.claim(key)!;
    assert.ok(claim);
    claim.release();
    assert.deepEqual(readdirSync(store.claims), [`${key}.0`]); // only its own claim is given up
  });

  it('a renewed claim is not taken over', () => {
    const store = open(60);
    const { key } = row(1);
    const claim = store.claim(key)!;
    const past = new Date(Date.now() - 61_000);
    utimesSync(join(store.claims, `${key}.0`), past, past);
    claim.renew();
    assert.equal(store.claim(key), undefined);
    claim.release();
    claim.renew(); // a claim that is gone: nothing happens
  });

  it('a claim dated tomorrow keeps nobody out', () => {
    const store = open(60);
    const { key } = row(1);
    const path = join(store.claims, `${key}.0`);
    writeFileSync(path, JSON.stringify({ host: 'elsewhere', pid: 1 }));
    const tomorrow = new Date(Date.now() + 86_400_000);
    utimesSync(path, tomorrow, tomorrow);
    assert.ok(store.claim(key));
  });

  it('every single flipped bit of a row is noticed, and so is a changed seed or value', () => {
    const damage: string[] = [];
    const store = new RowStore(join(folder, String(serial++)), { onDamage: (message) => damage.push(message) });
    const { key } = row(1, 12.5);
    store.write(row(1, 12.5));
    const path = join(store.rows, `${key}.json`);
    const intact = readFileSync(path);
    assert.deepEqual(store.read(key), row(1, 12.5));
    const spoil = (bytes: Buffer | string) => {
      writeFileSync(path, bytes);
      assert.equal(store.read(key), undefined, String(bytes));
    };
    // The last byte is the line feed: as another blank it changes nothing that is read.
    for (let bit = 0; bit < 8 * (intact.length - 1); bit++) {
      const bytes = Buffer.from(intact);
      bytes[bit >> 3] ^= 1 << (bit & 7);
      spoil(bytes);
    }
    spoil(intact.toString().replace('"seed":1', '"seed":2'));
    spoil(intact.toString().replace('12.5', '12.25'));
    const other = withChecksum({ ...row(2), key }); // intact, but of another task
    spoil(JSON.stringify(other));
    assert.match(damage[damage.length - 1], /whose fields have the key/);
    assert.ok(readdirSync(store.rows).includes(`${key}.json.damaged`));
    assert.equal(store.write(row(1, 12.5)), true); // and can be made again
  });

  it('a file that is no row is set aside and named', () => {
    const damage: string[] = [];
    const store = new RowStore(join(folder, String(serial++)), { onDamage: (message) => damage.push(message) });
    writeFileSync(join(store.rows, `${row(1).key}.json`), '{"key":');
    assert.equal(store.read(row(1).key), undefined);
    assert.match(damage[0], /JSON.*makes the row again/);
  });
});
