import { strict as assert } from 'node:assert';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { anchorsOf, blocksOf, pageNames, pageText, proseOf, root } from './pages';

describe('pages of the documentation', function () {
  this.timeout(60_000);

  it('generated ones are current', () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/docs.cjs', '--check'], {
      cwd: root,
      encoding: 'utf8',
    });
    assert.equal(status, 0, stdout + stderr);
  });

  for (const page of pageNames()) {
    it(`${page}: links lead somewhere`, () => {
      const broken = [...proseOf(page).matchAll(/\]\(([^)\s]+)\)/g)]
        .map(([, link]) => link)
        .filter((link) => {
          if (/^https?:/.test(link)) return false; // not asked: a test needs no network
          const [path, anchor] = link.split('#');
          const target = path === '' ? page : normalize(join(dirname(page), path));
          if (!existsSync(join(root, target))) return true;
          return anchor !== undefined && !anchorsOf(pageText(target)).includes(anchor);
        });
      assert.deepEqual(broken, []);
    });

    it(`${page}: files that it names are there`, () => {
      const named = [...proseOf(page).matchAll(/`((?:src|test|docs|data|bench|scripts|notebooks|\.ci)\/[\w./-]*)`/g)];
      const missing = named.map(([, path]) => path).filter((path) => !existsSync(join(root, path)));
      assert.deepEqual(
        missing.filter((path) => path !== 'docs/api/index.html'),
        [],
      ); // made by `npm run docs`
    });
  }

  it('docs/README.md links every page', () => {
    const index = pageText('docs/README.md');
    const absent = pageNames().filter((page) => page.startsWith('docs/') && page !== 'docs/README.md');
    assert.deepEqual(
      absent.filter((page) => !index.includes(`](${page.slice('docs/'.length)})`)),
      [],
    );
  });

  it('the README stays short, shows a figure and leads on to the pages', () => {
    const readme = pageText('README.md');
    assert.ok(readme.split('\n').length < 200);
    assert.match(readme, /!\[[^\]]{20,}\]\(docs\/[\w-]+\.png\)/);
    assert.match(readme, /\]\(docs\/README\.md\)/);
  });
});

describe('reading pages', () => {
  it('finds blocks with their short forms', () => {
    const text = '# A b\n\n<!-- run\nx\nbecause: y\n-->\n```sh\nlong\n```\n\n```ts\n1;\n```\n';
    const blocks = blocksOf('p.md', text).map(({ where, language, text, short }) => [
      where,
      language,
      text,
      short?.text,
    ]);
    assert.deepEqual(blocks, [
      ['p.md:7', 'sh', 'long', 'x'],
      ['p.md:11', 'ts', '1;', undefined],
    ]);
    assert.deepEqual(anchorsOf('# How it is, `cer`\n## B'), ['how-it-is-cer', 'b']);
  });

  it('refuses a short form without a reason or without its block', () => {
    assert.throws(() => blocksOf('p.md', '<!-- run\nx\n-->\n```sh\nlong\n```\n'), /p\.md:1: .*because/);
    assert.throws(() => blocksOf('p.md', '<!-- run\nx\nbecause: y\n-->\nwords\n'), /p\.md:5: .*right above/);
    assert.throws(() => blocksOf('p.md', '```sh\nlong\n'), /without an end/);
  });
});
