import { strict as assert } from 'node:assert';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import sharp, { type Sharp } from 'sharp';
import { loadImageFolder, skippedLines } from '../../src/data/image-folder';
import { imageStream } from '../../src/data/image-stream';
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
    await put('b/broken.jpg', 'hello');
    await assert.rejects(
      loadImageFolder(root),
      /Class folder .*b: got only unusable files \(b\/broken.jpg: unreadable/,
    );
    await assert.rejects(loadImageFolder(join(root, 'a', 'good.jpg')), /got a file; expected one sub-folder/);
  });

  /** What was left out, and why. */
  const leftOut = async () => {
    const { dataset, skipped } = await loadImageFolder(root, { size: 16 });
    return { count: dataset.count, names: dataset.classNames, skipped: skipped.map((s) => `${s.file}: ${s.reason}`) };
  };

  it('says of links to nothing, in a circle and of names that are not UTF-8 that they are left out', async () => {
    await put('a/good.jpg', plain(20, 20).jpeg());
    await put('elsewhere.jpg', plain(20, 20).jpeg());
    symlinkSync('../elsewhere.jpg', join(root, 'a', 'linked.jpg'));
    symlinkSync('gone.jpg', join(root, 'a', 'to-nothing.jpg'));
    symlinkSync('circle.jpg', join(root, 'a', 'circle.jpg'));
    symlinkSync('gone', join(root, 'class-gone'));
    const latin1 = Buffer.concat([Buffer.from(`${join(root, 'a')}/caf`), Buffer.of(0xe9), Buffer.from('.jpg')]);
    writeFileSync(latin1, await plain(20, 20).jpeg().toBuffer());
    assert.deepEqual(await leftOut(), {
      count: 2, // the image and the link to one
      names: ['a'],
      skipped: [
        'class-gone: a link to nothing',
        'a/caf\ufffd.jpg: a name that is not UTF-8; rename it',
        'a/circle.jpg: a link that leads to itself',
        'a/to-nothing.jpg: a link to nothing',
        'elsewhere.jpg: a file beside class folders, so of no class',
      ],
    });
    await assert.rejects(loadImageFolder(root, { strict: true }), /class-gone: got a link to nothing; .*--strict/);
    const stream = imageStream(root);
    assert.deepEqual([stream.count, stream.skipped.length], [2, 5]);
    assert.throws(() => imageStream(root, { strict: true }), /class-gone: got a link to nothing/);
  });

  it('says of images beside class folders, of nested ones and of folders without images that they are left out', async () => {
    await put('a/good.jpg', plain(20, 20).jpeg());
    await put('a/more/one.jpg', plain(20, 20).jpeg());
    await put('a/more/two.jpg', plain(20, 20).jpeg());
    await put('top.jpg', plain(20, 20).jpeg());
    mkdirSync(join(root, 'empty'));
    await put('logs/run.log', 'text');
    mkdirSync(join(root, 'logs', 'old'));
    assert.deepEqual(await leftOut(), {
      count: 1,
      names: ['a'],
      skipped: [
        'a/more/: a folder inside a class folder (2 files)',
        'empty/: a folder without images (empty)',
        'logs/: a folder without images (1 file, 1 folder)',
        'top.jpg: a file beside class folders, so of no class',
      ],
    });
  });

  it('images in a folder beside which there are logs alone are still the images of the folder', async () => {
    await put('one.png', plain(20, 20).png());
    await put('logs/run.log', 'text');
    const { count, skipped } = imageStream(root);
    assert.deepEqual([count, skipped.map(({ file }) => file)], [1, ['logs/']]);
  });

  it('a folder one level too high is named with what is in it', async () => {
    await put('train/a/one.png', plain(20, 20).png());
    await put('train/b/one.png', plain(20, 20).png());
    const message =
      /without a sub-folder of images \(1 folder; train\/: a folder without images \(2 folders\)\); .*name DIR/;
    await assert.rejects(loadImageFolder(root), message);
    assert.throws(() => imageStream(root), /train\/: a folder without images \(2 folders\).*not from deeper ones/);
  });

  it('counts what was left out for one reason', () => {
    const skipped = [1, 2, 3, 4, 5].map((i) => ({ file: `a/${i}.png`, reason: 'a grey image' }));
    assert.deepEqual(skippedLines([...skipped, { file: 'b/\u001b[2J', reason: 'an empty file' }]), [
      'skipped 5 files (a/1.png, a/2.png, a/3.png and 2 more): a grey image',
      `skipped b/${JSON.stringify('\u001b').slice(1, -1)}[2J: an empty file`,
    ]);
  });

  // An EXIF orientation says where the first row and column of the stored pixels belong; each is drawn so that it shows as `upright`.
  it('turns images as their EXIF orientation says', async () => {
    const upright = sharp(Buffer.from([...[255, 0, 0], ...[0, 255, 0], ...[0, 0, 255], ...[255, 255, 255]]), {
      raw: { width: 2, height: 2, channels: 3 },
    }).resize(16, 16, { kernel: 'nearest' });
    const shown = await upright.clone().raw().toBuffer();
    const stored = {
      1: upright.clone(),
      3: upright.clone().rotate(180),
      6: upright.clone().rotate(270), // to be turned by 90 degrees clockwise
      8: upright.clone().rotate(90),
    };
    for (const [orientation, image] of Object.entries(stored)) {
      const pixels = await image.raw().toBuffer();
      const raw = { width: 16, height: 16, channels: 3 as const };
      const marked = sharp(pixels, { raw }).withMetadata({ orientation: Number(orientation) });
      await put(`a/${orientation}.png`, marked.png());
    }
    const { dataset } = await loadImageFolder(root, { size: 16 });
    assert.equal(dataset.count, 4);
    for (let i = 0; i < 4; i++)
      assert.deepEqual([...dataset.images.subarray(i * 768, (i + 1) * 768)], [...shown], `${i}`);
    const sides: number[][] = [];
    await put('b/wide.jpg', plain(40, 20).withMetadata({ orientation: 6 }).jpeg());
    rmSync(join(root, 'a'), { recursive: true });
    for await (const { width, height } of imageStream(root).batches(1)) sides.push([width, height]);
    assert.deepEqual(sides, [[20, 40]]);
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
