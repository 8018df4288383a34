import { strict as assert } from 'node:assert';
import { spawn, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import sharp from 'sharp';
import * as verb from '../../src/cli/verbs/sample';
import { whatNext } from '../../src/cli/verbs/train';
import { loadImageFolder } from '../../src/data/image-folder';
import { readNpz } from '../../src/io/npz';
import { saveParameters } from '../../src/io/parameters';
import { causalArConfig, initCausalAr } from '../../src/models/ar/causal-ar';
import { cdmConfig, initCdm } from '../../src/models/cdm/cdm';
import { initMar, marConfig } from '../../src/models/mar/mar';
import { initVae } from '../../src/models/vae/vae';
import { useBackend } from '../../src/runtime/backend';
import { key } from '../../src/runtime/random';
import { runVerb } from './run-verb';

const REFERENCE = join(__dirname, '../../data/reference/mar');
const FITTED = join(REFERENCE, 'mar_small_fitted.pth');
/** What `mar_small_fitted.weights.json` says of its sizes. */
const FIELDS = JSON.stringify({
  ...{ imageSize: 64, vaeStride: 8, classes: 10, bufferSize: 8, headDepth: 3, headWidth: 64, samplingSteps: 'ddim20' },
  ...{ encoderWidth: 64, encoderDepth: 1, encoderHeads: 4, decoderWidth: 64, decoderDepth: 1, decoderHeads: 4 },
});
const REFERENCE_MODEL = ['--weights', FITTED, '--preset', 'mar-b', '--config', FIELDS];
const tiny = { imageSize: 16, vaeStride: 8, latentChannels: 4, classes: 3, samplingSteps: '4' };

describe('cli/sample', () => {
  let folder: string;
  const path = (name: string) => join(folder, name);
  before(async () => {
    await useBackend();
    folder = mkdtempSync(join(tmpdir(), 'cer-sample-'));
    const head = { headDepth: 1, headWidth: 16 };
    const mar = marConfig({
      ...{ ...tiny, ...head, encoderWidth: 16, encoderDepth: 1, encoderHeads: 2, bufferSize: 2 },
      ...{ decoderWidth: 16, decoderDepth: 1, decoderHeads: 2 },
    });
    const ar = causalArConfig({ ...tiny, ...head, width: 16, depth: 1, heads: 2 });
    const cdm = cdmConfig({ ...tiny, width: 16, depth: 1, heads: 2 });
    const small = { imageChannels: 3, width: 8, multipliers: [1, 1, 1, 1], blocks: 1, resolution: 16, groups: 4 };
    const vae = {
      ...small,
      encoderAttention: [],
      decoderAttention: [],
      bottleneck: 4,
      latentChannels: 4,
      latentScale: 1,
    };
    for (const [model, config, weights] of [
      ['mar', mar, initMar(mar, key(1))],
      ['ar', ar, initCausalAr(ar, key(1))],
      ['cdm', cdm, initCdm(cdm, key(1))],
      ['vae', vae, initVae(vae, key(1))],
    ] as const) {
      saveParameters(path(`${model}.safetensors`), weights, { model, config: JSON.stringify(config) });
      tf.dispose([...weights.values()]);
    }
  });
  after(() => rmSync(folder, { recursive: true }));

  it('generates with reference weights: order-one latents, the same for the same seed, classes and guidance matter', async () => {
    const sample = async (...extra: string[]) => {
      const out = path('latents.npz');
      await runVerb(verb, 'sample', ...REFERENCE_MODEL, '--steps', '3', '--count', '1', '--out', out, ...extra);
      const { shape, data } = readNpz(out).get('latents')!;
      assert.deepEqual(shape, [1, 8, 8, 16]);
      // These weights were fitted to order-one values for this respacing; others start at the step that amplifies most.
      const size = Math.max(...Array.from(data as Float32Array, Math.abs));
      if (extra.length <= 4) assert.ok(size > 0.5 && size < 50, `largest latent ${size}`);
      return Buffer.from(data.buffer).toString('base64');
    };
    const chosen = ['--key', 'model', '--class', '3'];
    const base = await sample(...chosen);
    const others = [
      await sample('--key', 'model', '--class', '4'),
      await sample('--key', 'model'),
      await sample(...chosen, '--diffusion-steps', '8..3'),
      await sample(...chosen, '--diffusion-steps', 'ddim10', '--ddim'),
      await sample(...chosen, '--cfg', '3'),
      await sample(...chosen, '--seed', '1'),
    ];
    assert.equal(new Set([base, ...others]).size, 7);
    assert.equal(await sample(...chosen), base);
  });

  for (const model of ['mar', 'ar', 'cdm']) {
    it(`writes a PNG grid with a tiny ${model} that says its own configuration`, async () => {
      const before = tf.memory().numTensors;
      const out = path(`${model}.png`);
      const args = ['--weights', path(`${model}.safetensors`), '--vae', path('vae.safetensors'), '--class', '0,2'];
      const said = await runVerb(verb, 'sample', ...args, '--count', '3', '--batch', '2', '--cfg', '1.5', '--out', out);
      assert.match(said, /configuration in the file; every weight is there/);
      const { width, height, format } = await sharp(readFileSync(out)).metadata();
      // two columns and two rows of 16 pixels with a gap of 2, all of it six times as large
      assert.deepEqual([width, height, format], [6 * 34, 6 * 34, 'png']);
      assert.equal(tf.memory().numTensors, before);
    });
  }

  it('writes a folder with a file per image, sorted by class, as evaluation and training read them', async () => {
    const out = path('folder');
    const args = ['--weights', path('ar.safetensors'), '--vae', path('vae.safetensors'), '--count', '4', '--out', out];
    await runVerb(verb, 'sample', ...args, '--class', '0,2', '--batch', '3');
    const { dataset } = await loadImageFolder(out, { size: 16 });
    assert.deepEqual(
      [dataset.classNames, [...dataset.labels]],
      [
        ['class-0', 'class-2'],
        [0, 0, 1, 1],
      ],
    );
    const grid = path('same.png');
    await runVerb(verb, 'sample', ...args.slice(0, -1), grid, '--class', '0,2', '--batch', '3');
    const first = await sharp(readFileSync(join(out, 'class-0', '00000.png')))
      .raw()
      .toBuffer();
    const corner = { left: 0, top: 0, width: 16 * 6, height: 16 * 6 };
    const shown = await sharp(readFileSync(grid))
      .extract(corner)
      .resize(16, 16, { kernel: 'nearest' })
      .raw()
      .toBuffer();
    assert.deepEqual([...shown], [...first]);
  });

  it('the command that a training on one class, or on several, proposes is one that is taken', async () => {
    for (const classes of [1, 3]) {
      const out = path(`trained-on-${classes}`);
      const config = causalArConfig({ ...tiny, classes, headDepth: 1, headWidth: 16, width: 16, depth: 1, heads: 2 });
      const weights = initCausalAr(config, key(1));
      mkdirSync(out);
      saveParameters(join(out, 'ar.safetensors'), weights, { model: 'ar', config: JSON.stringify(config) });
      copyFileSync(path('vae.safetensors'), join(out, 'vae.safetensors'));
      tf.dispose([...weights.values()]);
      const [, args] = whatNext({ out }, ['vae', 'ar'], classes).split('npx cer ');
      const { count } = JSON.parse(await runVerb(verb, ...args.split(' '), '--dry-run', '--json'));
      assert.equal(count, 16);
    }
  });

  const imagesIn = (folder: string) =>
    existsSync(folder)
      ? (readdirSync(folder, { recursive: true }) as string[]).filter((name) => /\.png/.test(name))
      : [];

  /** Runs `cer sample` and sends a signal as soon as something holds. @returns the images in the folder */
  const interruptedWhen = async (holds: (said: string) => boolean, out: string, ...extra: string[]) => {
    const files = ['--weights', path('ar.safetensors'), '--vae', path('vae.safetensors'), '--out', out];
    const args = ['sample', ...files, '--class', '0,2', ...extra];
    const child = spawn(process.execPath, [join(__dirname, '../../bin/cer.cjs'), ...args]);
    let said = '';
    let sent = false;
    child.stderr.on('data', (data) => {
      said += data;
    });
    const look = setInterval(() => {
      if (!sent && holds(said)) sent = child.kill('SIGINT');
    }, 2);
    child.stdout.resume();
    await new Promise((ended) => child.once('close', ended));
    clearInterval(look);
    assert.ok(sent, said);
    return imagesIn(out);
  };

  it('Ctrl-C while images are computed leaves nothing behind', async () => {
    const computing = (said: string) => said.includes(' of 4000 samples');
    const left = await interruptedWhen(computing, path('stopped'), '--count', '4000', '--batch', '8');
    assert.deepEqual([left, existsSync(path('stopped'))], [[], false]);
  }).timeout(60_000);

  it('Ctrl-C while images are written leaves all of them, whole', async () => {
    const out = path('written');
    const left = await interruptedWhen(() => existsSync(out), out, '--count', '400', '--batch', '200');
    assert.equal(left.length, 400);
    for (const name of left) assert.equal((await sharp(readFileSync(join(out, name))).metadata()).width, 16);
  }).timeout(60_000);

  it('a dry run checks everything and writes nothing', async () => {
    const out = path('never.npz');
    const report = JSON.parse(
      await runVerb(verb, 'sample', ...REFERENCE_MODEL, '--dry-run', '--json', '--out', out, '--count', '7'),
    );
    assert.deepEqual([report.family, report.key, report.tokens, report.count], ['mar', 'model_ema', 64, 7]);
    assert.ok(!existsSync(out));
  });

  it('names all missing, unexpected and misshapen weights at once, with exit code 2', () => {
    const bin = join(__dirname, '../../bin/cer.cjs');
    const args = ['sample', '--weights', path('ar.safetensors'), '--preset', 'ar-small', '--out', 'x.npz'];
    const { status, stderr } = spawnSync('node', [bin, ...args], { encoding: 'utf8' });
    assert.equal(status, 2);
    assert.match(stderr, /missing \(blocks\.1\.norm1\.weight, .*blocks\.3\.mlp\.fc2\.bias/);
    assert.match(stderr, /of another shape \(.*fake_latent: \[1,16\] instead of \[1,64\]/);
  }).timeout(30000);

  const wrong: [what: string, args: string[], message: RegExp][] = [
    ['a PNG without an autoencoder', ['--out', 'x.png'], /--vae/],
    ['another ending', ['--out', 'x.jpg'], /\.png or \.npz, or a folder/],
    ['a class that there is not', ['--out', 'x.npz', '--class', '10'], /from 0 to 9/],
    ['guidance without a class', ['--out', 'x.npz', '--cfg', '2'], /--class/],
    ['more steps than tokens', ['--out', 'x.npz', '--steps', '65'], /from 1 to 64/],
    ['a count that is not one', ['--out', 'x.npz', '--count', 'many'], /"?many/],
    ['a key that there is not', ['--out', 'x.npz', '--key', 'ema'], /"model", "model_ema"/],
    ['an autoencoder that is none', ['--out', 'x.png', '--vae', FITTED], /no preset that fits/],
  ];
  for (const [what, args, message] of wrong) {
    it(`refuses ${what}`, async () => {
      await assert.rejects(runVerb(verb, 'sample', ...REFERENCE_MODEL, ...args), {
        name: 'InvalidInputError',
        message,
      });
    });
  }
});
