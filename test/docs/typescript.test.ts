import { strict as assert } from 'node:assert';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { blocksOf, pageNames, root, saidOutput } from './pages';
import { workplace } from './workplace';

/** Pieces that import the packed library are compiled and run by test/library. */
const blocks = pageNames()
  .flatMap((page) => blocksOf(page))
  .filter(({ language, text }) => language === 'ts' && !/from 'condition-refinement/.test(text));

describe('TypeScript on the pages', function () {
  this.timeout(120_000);
  let place: Awaited<ReturnType<typeof workplace>>;
  const fileOf = (index: number) => join(place.folder, `piece-${index}.ts`);

  before(async () => {
    place = await workplace();
    blocks.forEach(({ text }, index) => {
      writeFileSync(fileOf(index), text);
    });
  });
  after(() => place.remove());

  it('there is some', () => assert.ok(blocks.length >= 2));

  it('passes the project’s own type-check', () => {
    const settings = join(place.folder, 'pieces.json');
    writeFileSync(settings, JSON.stringify({ extends: './tsconfig.json', include: ['piece-*.ts'] }));
    const tsc = require.resolve('typescript/bin/tsc');
    const { status, stdout } = spawnSync(process.execPath, [tsc, '--noEmit', '-p', settings], { encoding: 'utf8' });
    assert.equal(status, 0, stdout);
  });

  blocks.forEach((block, index) => {
    it(`${block.where} prints what it says`, () => {
      const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', fileOf(index)], {
        cwd: root,
        encoding: 'utf8',
      });
      assert.equal(status, 0, stderr);
      const said = saidOutput(block.text);
      if (said.length > 0) assert.deepEqual(stdout.trim().split('\n'), said);
    });
  });
});
