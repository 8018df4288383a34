import { strict as assert } from 'node:assert';
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { loadImageFolder } from '../../src/data/image-folder';
import { gridPng } from '../../src/data/image-grid';
import { PROCEDURAL_CLASSES, proceduralDataset, SPLITS } from '../../src/data/procedural';
import { proceduralFolder } from '../../src/data/procedural-folder';
import { Interrupted } from '../../src/runtime/interrupt';

describe('data/procedural', () => {
  it('depends on its options alone; image i does not depend on how many are drawn', () => {
    const few = proceduralDataset({ perClass: 3 });
    assert.equal(proceduralDataset({ perClass: 3 }).hash, few.hash);
    assert.notEqual(proceduralDataset({ perClass: 3, seed: 1 }).hash, few.hash);
    const many = proceduralDataset({ perClass: 5 });
    assert.deepEqual(many.images.subarray(5 * 3072, 8 * 3072), few.images.subarray(3 * 3072, 6 * 3072));
    assert.deepEqual([...few.labels.slice(0, 4)], [0, 0, 0, 1]);
  });

  it('has splits without a common image', () => {
    const seen = new Set<string>();
    for (const split of SPLITS) {
      const { images, count } = proceduralDataset({ split, perClass: 20 });
      for (let i = 0; i < count; i++)
        seen.add(Buffer.from(images.subarray(i * 3072, (i + 1) * 3072)).toString('base64'));
    }
    assert.equal(seen.size, 3 * 200);
  });

  it('varies so much that a class mean is far from every image of the class', () => {
    const perClass = 40;
    const { images } = proceduralDataset({ perClass });
    for (let label = 0; label < PROCEDURAL_CLASSES.length; label++) {
      const rows = Array.from({ length: perClass }, (_, i) =>
        images.subarray((label * perClass + i) * 3072, (label * perClass + i + 1) * 3072),
      );
      const mean = Float64Array.from({ length: 3072 }, (_, p) => rows.reduce((sum, row) => sum + row[p], 0) / perClass);
      const nearest = Math.min(
        ...rows.map((row) => Math.sqrt(row.reduce((sum, x, p) => sum + (x - mean[p]) ** 2, 0) / 3072)),
      );
      // in grey levels of 255; a set of near-copies would be below 5
      assert.ok(nearest > 20, `class ${label}: ${nearest}`);
    }
  });

  it('writes real PNG files once, and reading them gives the same pixels', async () => {
    const cache = mkdtempSync(join(tmpdir(), 'cer-procedural-'));
    try {
      const folder = await proceduralFolder({ cache, perClass: 4, split: 'control' });
      const file = join(folder, 'disc-checks', '00002.png');
      assert.equal((await sharp(file).metadata()).format, 'png');
      const { dataset, skipped } = await loadImageFolder(folder);
      const direct = proceduralDataset({ perClass: 4, split: 'control' });
      assert.deepEqual(skipped, []);
      assert.equal(dataset.hash, direct.hash);
      assert.deepEqual(readdirSync(join(folder, '..')), ['control-4']);
      const { mtimeMs } = statSync(file);
      await proceduralFolder({ cache, perClass: 4, split: 'control' });
      assert.equal(statSync(file).mtimeMs, mtimeMs);
    } finally {
      rmSync(cache, { recursive: true });
    }
  });

  it('leaves nothing half-drawn when it is stopped', async () => {
    const cache = mkdtempSync(join(tmpdir(), 'cer-procedural-'));
    const onProgress = () => {
      throw new Interrupted();
    };
    try {
      await assert.rejects(proceduralFolder({ cache, perClass: 4, onProgress }), { name: 'Interrupted' });
      assert.deepEqual(
        readdirSync(cache).flatMap((name) => readdirSync(join(cache, name))),
        [],
      );
    } finally {
      rmSync(cache, { recursive: true });
    }
  });

  it('may be asked for several times at once', async () => {
    const cache = mkdtempSync(join(tmpdir(), 'cer-procedural-'));
    const script = join(cache, 'ask.ts');
    const module = JSON.stringify(join(__dirname, '../../src/data/procedural-folder'));
    writeFileSync(
      script,
      `import { proceduralFolder } from ${module};\nproceduralFolder({ cache: process.argv[2], perClass: 20 });\n`,
    );
    try {
      const children = [0, 1].map(() =>
        spawn(process.execPath, ['--import', 'tsx', script, cache], { stdio: 'inherit' }),
      );
      const codes = await Promise.all(children.map((child) => new Promise((resolve) => child.once('exit', resolve))));
      assert.deepEqual(codes, [0, 0]);
      const folder = await proceduralFolder({ cache, perClass: 20 });
      assert.deepEqual(readdirSync(join(folder, '..')), ['train-20']);
      const { dataset } = await loadImageFolder(folder, { strict: true });
      assert.equal(dataset.hash, proceduralDataset({ perClass: 20 }).hash);
    } finally {
      rmSync(cache, { recursive: true });
    }
  });

  it('lays images out in a grid', async () => {
    const images = new Uint8Array(3 * 12);
    images.fill(9, 24);
    const { data, info } = await sharp(await gridPng(images, { size: 2, columns: 2, gap: 1 }))
      .raw()
      .toBuffer({ resolveWithObject: true });
    assert.deepEqual([info.width, info.height], [5, 5]);
    const at = (x: number, y: number) => data[(y * 5 + x) * info.channels];
    assert.deepEqual([at(0, 0), at(2, 0), at(3, 0), at(0, 3), at(4, 4)], [0, 255, 0, 9, 255]);
  });
});
