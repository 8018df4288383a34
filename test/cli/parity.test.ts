import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ParityRow, planParity, runPlanned } from '../../src/parity';
import { useBackend } from '../../src/runtime/backend';
import { InvalidInputError } from '../../src/runtime/errors';

const SHIPPED = 'data/reference/mar';

describe('cer parity', () => {
  let folder: string;

  before(async () => {
    await useBackend();
  });

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'parity-'));
  });

  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const copy = (...files: string[]) => files.forEach((file) => copyFileSync(join(SHIPPED, file), join(folder, file)));

  async function rowsOf(): Promise<ParityRow[]> {
    const rows: ParityRow[] = [];
    for (const planned of planParity(folder).planned) rows.push(...(await runPlanned(planned)));
    return rows;
  }

  /** Changes one float32 near the end of a tensor file. */
  function corrupt(file: string, value: number): void {
    const bytes = readFileSync(join(folder, file));
    bytes.writeFloatLE(value, bytes.length - 4);
    writeFileSync(join(folder, file), bytes);
  }

  for (const value of [1e3, Number.NaN]) {
    it(`notices one changed number (${value})`, async () => {
      copy('patchify2.json', 'patchify2.safetensors');
      assert.ok((await rowsOf()).every((row) => row.holds));
      corrupt('patchify2.safetensors', value);
      assert.ok((await rowsOf()).some((row) => !row.holds));
    });
  }

  it('notices a changed digit in a table', async () => {
    const schedule = JSON.parse(readFileSync(join(SHIPPED, 'diffusion_schedule_25.json'), 'utf8'));
    schedule.betas[7] *= 1 + 1e-10;
    writeFileSync(join(folder, 'other-name.json'), JSON.stringify(schedule));
    const failed = (await rowsOf()).filter((row) => !row.holds);
    assert.deepEqual(
      failed.map((row) => row.tensor),
      ['betas'],
    );
  });

  it('finds cases in sub-folders and says what it cannot run, read or find', async () => {
    mkdirSync(join(folder, 'deeper'));
    copyFileSync(join(SHIPPED, 'lr_sched.json'), join(folder, 'deeper', 'rates.json'));
    writeFileSync(join(folder, 'unknown.json'), '{"case": "of no family"}');
    writeFileSync(join(folder, 'list.json'), '[1, 2]');
    writeFileSync(join(folder, 'broken.json'), '{');
    writeFileSync(join(folder, 'alone.safetensors'), 'x');
    copy('patchify2.json', 'vae_small.json', 'vae_small.safetensors');
    writeFileSync(join(folder, 'patchify2.safetensors'), 'not a tensor file');
    const { other } = planParity(folder);
    assert.deepEqual(other, ['alone.safetensors', 'broken.json', 'list.json']);
    const rows = await rowsOf();
    const failed = rows.filter((row) => !row.holds).map((row) => `${row.case}: ${row.tensor}`);
    assert.equal(failed.length, 3, failed.join('\n'));
    assert.match(failed[0], /^patchify2: .*patchify2\.safetensors/);
    assert.equal(failed[1], 'unknown: no runner');
    assert.match(failed[2], /^vae_small: stopped: .*vae_small\.weights\.safetensors/);
    assert.equal(rows.filter((row) => row.case === join('deeper', 'rates')).length, 3);
    assert.throws(() => planParity(join(folder, 'absent')), InvalidInputError);
  });

  it('as a command: rows of JSON and nothing else, exit code 1 for a failure or for nothing', () => {
    const run = (...options: string[]) =>
      spawnSync(process.execPath, ['bin/cer.cjs', 'parity', '--json', '--reference', folder, ...options], {
        encoding: 'utf8',
        env: { ...process.env, CER_BACKEND: 'wasm' },
      });
    copy('patchify2.json', 'patchify2.safetensors');
    corrupt('patchify2.safetensors', Number.NaN);
    const { stdout, status } = run();
    const rows: ParityRow[] = JSON.parse(stdout);
    assert.equal(status, 1);
    assert.ok(rows.length > 0);
    for (const row of rows) {
      assert.deepEqual(Object.keys(row), ['case', 'tensor', 'error', 'tolerance', 'holds']);
      assert.ok(Number.isFinite(row.error));
      assert.equal(row.holds, row.error <= row.tolerance);
    }
    const none = run('--only', 'no such case');
    assert.equal(none.status, 1);
    assert.deepEqual(JSON.parse(none.stdout), []);
  }).timeout(60_000);
});
