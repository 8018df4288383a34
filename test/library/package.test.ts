import { strict as assert } from 'node:assert';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { packed, root } from './packed';

/** Packages with `exports` alone, whose types the project's own resolution (that of the notebook kernel) does not find. */
const load = (name: string) => import(name);

describe('the packed library', function () {
  this.timeout(300_000); // seconds, most of them the build; other processes may have the machine

  before(() => {
    packed();
  });

  it('has no install scripts', () => {
    const { scripts } = packed().manifest;
    const run = ['preinstall', 'install', 'postinstall', 'prepare', 'preprepare', 'postprepare'];
    assert.deepEqual(
      Object.keys(scripts).filter((name) => run.includes(name)),
      [],
    );
    assert.ok(!existsSync(join(packed().folder, 'binding.gyp')));
  });

  it('holds the build, the words and nothing of the workshop', () => {
    const { folder, tarball } = packed();
    assert.deepEqual(readdirSync(folder).sort(), [
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'bin',
      'dist',
      'package.json',
    ]);
    assert.ok(tarball.length < 1_000_000, `${tarball.length} bytes`);
  });

  it('holds the kernels and helper threads that its code loads', () => {
    const built = (name: string) => /\.(wasm|cjs)$/.test(name) && !/stamp|tmp/.test(name);
    for (const place of ['transport/kernels', 'compile/kernels']) {
      const names = readdirSync(join(root, 'src', place))
        .filter(built)
        .sort();
      assert.deepEqual(
        readdirSync(join(packed().folder, 'dist', place))
          .filter(built)
          .sort(),
        names,
      );
      assert.ok(names.length >= 3);
    }
  });

  it('has a sub-path for every entry of src/library', () => {
    const paths = Object.keys(packed().manifest.exports).filter((path) => path !== './package.json');
    const entries = readdirSync(join(root, 'src', 'library')).map((name) => name.replace(/\.ts$/, ''));
    assert.deepEqual(paths.map((path) => path.slice(2) || 'index').sort(), entries.sort());
  });

  it('publint has nothing to say', async () => {
    const { publint } = await load('publint');
    const { formatMessage } = await load('publint/utils');
    const { messages, pkg } = await publint({ pkgDir: packed().folder, pack: false, strict: true });
    assert.deepEqual(
      messages.map((message: unknown) => formatMessage(message, pkg)),
      [],
    );
  });

  it('arethetypeswrong finds nothing wrong', async () => {
    const { checkPackage, createPackageFromTarballData } = await load('@arethetypeswrong/core');
    const result = await checkPackage(createPackageFromTarballData(new Uint8Array(packed().tarball)));
    assert.ok(result.types);
    assert.deepEqual(
      result.problems.map((problem: unknown) => JSON.stringify(problem)),
      [],
    );
  });
});
