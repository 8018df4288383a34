import { strict as assert } from 'node:assert';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import sharp, { type Sharp } from 'sharp';
import { loadImageFolder } from '../../src/data/image-folder';
import { centreCrop, resize } from '../../src/data/resample';
import { key, uniform } from '../../src/runtime/random';

/** A plain image of one colour. */
const plain = (width: number, height: number, background = { r: 200, g: 30, b: 90 }) =>
  sharp({ create: { width, height, channels: 3, background } });

/** A PNG whose header claims 60000 x 60000 pixels, with a right checksum. */
async function bomb(): Promise<Buffer> {
  const png = await plain(8, 8).png().toBuffer();
  png.writeUInt32BE(60000, 16);
  png.writeUInt32BE(60000, 20);
  png.writeUInt32BE(crc32(png.subarray(12, 29)), 29);
  return png;
}

describe('data/image-folder', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'cer-folder-'));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  const put = async (file: string, content: Sharp | Buffer | string) => {
    mkdirSync(join(root, file, '..'), { recursive: true });
    writeFileSync(
      join(root, file),
      typeof content === 'string' || Buffer.isBuffer(content) ? content : await content.toBuffer(),
    );
  };

  it('reads JPEG, PNG and WebP, opaque or not, with labels in alphabetical order of the folders', async () => {
    await put('b/one.webp', plain(50, 40).webp({ lossless: true }));
    await put('b/two.png', plain(40, 60).ensureAlpha(0.5).png());
    await put('a/three.jpg', plain(64, 64).jpeg({ quality: 100, chromaSubsampling: '4:4:4' }));
    await put('a/.DS_Store', 'not shown');
    const { dataset, skipped } = await loadImageFolder(root, { size: 16 });
    assert.deepEqual(skipped, []);
    assert.deepEqual(dataset.classNames, ['a', 'b']);
    assert.deepEqual([...dataset.labels], [0, 1, 1]);
    // JPEG rounds each colour by a level or two; filters keep a constant
    for (let i = 0; i < dataset.images.length; i++) assert.ok(Math.abs(dataset.images[i] - [200, 30, 90][i % 3]) <= 2);
  });

  it('skips unusable files and reports each by name and reason', async () => {
    const good = await plain(40, 40).jpeg().toBuffer();
    await put('a/good.jpg', good);
    const detailed = Buffer.from(uniform(key(1), 3 * 200 * 200, 0, 256));
    const jpeg = await sharp(detailed, { raw: { width: 200, height: 200, channels: 3 } })
      .jpeg()
      .toBuffer();
    await put('a/truncated.jpg', jpeg.subarray(0, Math.floor(jpeg.length * 0.8)));
    await put('a/broken.png', Buffer.from([0x89, 0x50, 0x4e, 0x47, 1, 2, 3]));
    await put('a/tiny.png', plain(5, 90).png());
    await put('a/grey.png', plain(40, 40).toColourspace('b-w').png());
    await put('a/cmyk.jpg', plain(40, 40).toColourspace('cmyk').jpeg());
    await put('a/huge.png', await bomb());
    await put('a/notes.txt', 'hello');
    await put('a/empty.jpg', '');
    await put('a/drawing.png', '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="40"/>');
    const { dataset, skipped } = await loadImageFolder(root, { size: 32 });
    assert.equal(dataset.count, 1);
    const reasons = Object.fromEntries(skipped.map(({ file, reason }) => [file, reason]));
    assert.deepEqual(
      Object.keys(reasons).sort(),
      [
        'broken.png',
        'cmyk.jpg',
        'drawing.png',
        'empty.jpg',
        'grey.png',
        'huge.png',
        'notes.txt',
        'tiny.png',
        'truncated.jpg',
      ].map((name) => `a/${name}`),
    );
    for (const [name, pattern] of [
      ['truncated.jpg', /unreadable/],
      ['broken.png', /unreadable/],
      ['tiny.png', /5 x 90 pixels, smaller than 32/],
      ['grey.png', /grey/],
      ['cmyk.jpg', /CMYK/],
      ['huge.png', /60000 x 60000 pixels, more than the limit/],
      ['notes.txt', /unreadable/],
      ['empty.jpg', /empty file/],
      ['drawing.png', /format svg/],
    ] as const) {
      assert.match(reasons[`a/${name}`], pattern);
    }
    const converted = await loadImageFolder(root, { size: 32, convert: true });
    assert.equal(converted.dataset.count, 3);
    await assert.rejects(loadImageFolder(root, { strict: true }), /a\/\w+\.\w+: got .*without --strict to skip/);
  });

  it('explains a missing folder, no classes, an empty class and a class without a usable image', async () => {
    await assert.rejects(loadImageFolder(join(root, 'none')), /no such folder; expected one sub-folder/);
    await assert.rejects(loadImageFolder(root), /without sub-folders/);
    await put('a/good.jpg', plain(40, 40).jpeg());
    mkdirSync(join(root, 'b'));
    await assert.rejects(loadImageFolder(root), /Class folder .*b: got an empty folder/);
    await put('b/notes.txt', 'hello');
    await assert.rejects(loadImageFolder(root), /only unusable files \(b\/notes.txt: unreadable/);
  });

  it('takes a folder without sub-folders as one class where asked to', async () => {
    await put('one.png', plain(20, 20).png());
    await assert.rejects(loadImageFolder(root, { size: 16 }), /without sub-folders/);
    const { dataset } = await loadImageFolder(root, { size: 16, flat: true });
    assert.deepEqual([dataset.count, dataset.classNames.length], [1, 1]);
  });

  it('does not depend on the order in which files finish decoding', async () => {
    for (let i = 0; i < 12; i++)
      await put(`c/${String(i).padStart(2, '0')}.png`, plain(i % 2 ? 33 : 400, 40, { r: 20 * i, g: 0, b: 0 }).png());
    const { dataset } = await loadImageFolder(root, { size: 4 });
    for (let i = 0; i < 12; i++) assert.equal(dataset.images[i * 48], 20 * i);
    assert.equal((await loadImageFolder(root, { size: 4 })).dataset.hash, dataset.hash);
  });
});

describe('data/resample', () => {
  const pattern = (width: number, height: number) => {
    const data = new Uint8Array(width * height * 3);
    for (let i = 0; i < data.length; i++) {
      const [c, x, y] = [i % 3, Math.floor(i / 3) % width, Math.floor(i / 3 / width)];
      data[i] = (x * x * 7 + y * 13 + c * 50 + x * y * 3) % 256;
    }
    return { width, height, data };
  };

  // Made with Pillow 12.3: halving with BOX, then BICUBIC, then the middle, as the ADM reference crops.
  for (const [width, height, expected] of [
    [37, 53, '8a8c7a7f7f7e83817f737d877a7c82777f81837d83877d7b8c827c8982787b8d7f7b897b7c7e84827c8383797f7f7d87'],
    [7, 11, '2153844b80ba9ab363625d793b6da274abcaa966634e80b7568ac39cbe906d665e879b8c72addbb5a444665d8ea96687'],
    [5, 3, '0234660b3d6f1b4d7f3365970b3d6f15477927598b4072a217497b23558737699b5284bd2052842e60924375a75f91d7'],
  ] as const) {
    it(`crops ${width} x ${height} to 4 x 4 as Pillow does`, () => {
      const got = centreCrop(pattern(width, height), 4).data;
      // Pillow's coefficients are fixed-point: one grey level of rounding
      Buffer.from(expected, 'hex').forEach((x, i) => assert.ok(Math.abs(got[i] - x) <= 1, `${i}: ${got[i]}, ${x}`));
    });
  }

  it('halving with a box averages pairs, rounding half up', () => {
    const image = { width: 4, height: 1, data: Uint8Array.from([0, 0, 0, 1, 3, 4, 10, 10, 10, 20, 20, 21]) };
    assert.deepEqual([...resize(image, 2, 1, 'box').data], [1, 2, 2, 15, 15, 16]);
  });
});
