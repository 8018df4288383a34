import { strict as assert } from 'node:assert';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EXIT } from '../../src/cli/main';
import { writePhotos } from '../support/photos';

const cer = (...args: string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['bin/cer.cjs', ...args], { encoding: 'utf8' });
  return { status, stdout, stderr };
};

describe('cer train and cer evaluate on a folder of JPEG files', function () {
  this.timeout(240_000); // seconds on a quiet machine
  let root: string;
  before(async () => {
    root = mkdtempSync(join(tmpdir(), 'cer-cli-'));
    await writePhotos(join(root, 'photos'), [0, 3, 7], 12);
    writeFileSync(join(root, 'photos', 'class-3', 'broken.jpg'), 'not an image');
  });
  after(() => rmSync(root, { recursive: true }));

  it('names what it skips; --strict stops there with the code for wrong input', () => {
    const photos = join(root, 'photos');
    const dry = cer('train', '--data', photos, '--profile', 'smoke', '--model', 'vae,mar', '--dry-run', '--json');
    assert.equal(dry.status, EXIT.done, dry.stderr);
    assert.match(dry.stderr, /skipped class-3\/broken\.jpg: unreadable/);
    const rows = JSON.parse(dry.stdout);
    assert.deepEqual(
      rows.map((row: Record<string, unknown>) => [row.model, row.images, row.classes]),
      [
        ['vae', 30, 3],
        ['mar', 30, 3],
      ],
    );
    const strict = cer('train', '--data', photos, '--profile', 'smoke', '--dry-run', '--strict');
    assert.equal(strict.status, EXIT.usage);
    assert.match(strict.stderr, /class-3\/broken\.jpg: got unreadable/);
    const none = cer('train', '--data', join(root, 'nothing'), '--profile', 'smoke', '--dry-run');
    assert.equal(none.status, EXIT.usage);
    assert.match(none.stderr, /no such folder; expected one sub-folder of images per class/);
  });

  it('trains, resumes, and the weights measure images', () => {
    const out = join(root, 'out');
    const train = (...more: string[]) =>
      cer(
        'train',
        '--data',
        join(root, 'photos'),
        '--profile',
        'smoke',
        '--model',
        'classifier',
        '--out',
        out,
        '--json',
        ...more,
      );
    const first = train('--steps', '3');
    assert.equal(first.status, EXIT.done, first.stderr);
    assert.equal(JSON.parse(first.stdout)[0].steps, 3);
    const second = train('--resume');
    const [row] = JSON.parse(second.stdout);
    assert.deepEqual([row.steps, row.finished], [5, true]);
    assert.ok(existsSync(join(out, 'training', 'classifier', 'log.jsonl')));
    const provenance = JSON.parse(readFileSync(join(out, 'classifier.json'), 'utf8'));
    assert.deepEqual([provenance.seed, provenance.data.images, provenance.data.classes.length], [0, 30, 3]);
    assert.match(provenance.command, /^cer train --data /);
    const folder = join(root, 'photos');
    const same = cer(
      'evaluate',
      folder,
      '--reference',
      folder,
      '--classifier',
      join(out, 'classifier.safetensors'),
      '--json',
    );
    assert.equal(same.status, EXIT.done, same.stderr);
    const value = Object.fromEntries(
      JSON.parse(same.stdout).map((r: { metric: string; value: number }) => [r.metric, r.value]),
    );
    assert.ok(Math.abs(value.fid) < 1e-6 && value.precision === 1 && value.recall === 1, same.stdout);
  });
});
