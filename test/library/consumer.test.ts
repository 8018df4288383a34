import { strict as assert } from 'node:assert';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { blocksOf, saidOutput } from '../docs/pages';
import { packed, root } from './packed';

const pieces = blocksOf('docs/use-as-a-library.md').filter(({ language }) => language === 'ts');

/** Uses every sub-path; its calls fail to compile where types are lost (`any` has no error to expect). */
const PROGRAM = `
import { CerError, InvalidInputError, key, normal } from 'condition-refinement';
import { proceduralDataset } from 'condition-refinement/data';
import { createDiffusion } from 'condition-refinement/diffusion';
import { openWeights } from 'condition-refinement/io';
import { estimate } from 'condition-refinement/metrics';
import { findPreset } from 'condition-refinement/models';
import { type Refiner, shrink } from 'condition-refinement/refinement';
import { useBackend } from 'condition-refinement/runtime';
import { gaussianMixture } from 'condition-refinement/theory';
import { learningRateAt } from 'condition-refinement/training';
import { sinkhorn } from 'condition-refinement/transport';

const draws: Float64Array = normal(key(1), 100);
const { low, high } = estimate(draws);
// @ts-expect-error a text is no cloud of points
const wrong = () => sinkhorn({ x: 'x', y: draws, dimension: 1 });
const refine: Refiner | undefined = undefined;
try {
  wrong();
} catch (error) {
  console.log(error instanceof InvalidInputError && error instanceof CerError, low < high, refine === undefined);
}
const used = [proceduralDataset, createDiffusion, openWeights, findPreset, shrink, useBackend, gaussianMixture, learningRateAt];
console.log(used.every((one) => typeof one === 'function'));
`;

const node = (args: string[], cwd: string) => spawnSync(process.execPath, args, { cwd, encoding: 'utf8' });

/** Compiles files of the consumer with options of its own. @returns what the compiler has to say */
function compile(name: string, files: string[], options: Record<string, unknown>): string {
  const { consumer } = packed();
  const settings = join(consumer, `tsconfig.${name}.json`);
  const compilerOptions = { target: 'ES2022', strict: true, skipLibCheck: true, types: ['node'], ...options };
  writeFileSync(settings, JSON.stringify({ compilerOptions, files }));
  return node([require.resolve('typescript/bin/tsc'), '-p', settings], consumer).stdout;
}

describe('a TypeScript project with the library installed', function () {
  this.timeout(300_000);

  before(() => {
    const { consumer } = packed();
    writeFileSync(join(consumer, 'package.json'), '{ "private": true }');
    for (const extension of ['cts', 'mts']) writeFileSync(join(consumer, `program.${extension}`), PROGRAM);
    pieces.forEach(({ text }, index) => {
      writeFileSync(join(consumer, `piece-${index}.mts`), text);
    });
  });

  it('compiles and runs as CommonJS and as ES modules (node16)', () => {
    const files = ['program.cts', 'program.mts', ...pieces.map((_, index) => `piece-${index}.mts`)];
    assert.equal(compile('node16', files, { module: 'node16', moduleResolution: 'node16', outDir: 'out' }), '');
    for (const file of ['program.cjs', 'program.mjs']) {
      const { stdout, stderr } = node([join('out', file)], packed().consumer);
      assert.equal(stdout, 'true true true\ntrue\n', `${file}: ${stderr}`);
    }
  });

  pieces.forEach((piece, index) => {
    it(`${piece.where} prints what it says`, () => {
      const { status, stdout, stderr } = node([join('out', `piece-${index}.mjs`)], packed().consumer);
      assert.equal(status, 0, stderr);
      const said = saidOutput(piece.text);
      if (said.length > 0) assert.deepEqual(stdout.trim().split('\n'), said);
    });
  });

  it('samples with the shipped weights', () => {
    const weights = JSON.stringify(join(root, 'data', 'checkpoints', 'mar.safetensors'));
    const index = pieces.findIndex(({ text }) => text.includes('sampleLatents'));
    const program = `import { sampleLatents } from './out/piece-${index}.mjs'; console.log(...(await sampleLatents(${weights})));`;
    const { stdout, stderr } = node(['--input-type=module', '-e', program], packed().consumer);
    assert.equal(stdout, '2 4 4 8\n', stderr);
  });

  it('takes a compiled training step, kernels and helpers from inside the package', () => {
    const program = `
      import * as tf from '@tensorflow/tfjs';
      import { useBackend } from 'condition-refinement/runtime';
      import { compiledStep } from 'condition-refinement/training';
      await useBackend();
      const loss = (parameters, { x }) => tf.mean(tf.square(tf.sub(tf.matMul(x, parameters.get('w')), 3)));
      const halves = ({ x }) => [0, 4].map((from) => ({ x: { data: x.data.slice(from, from + 4), shape: [2, 2] } }));
      const options = { weightDecay: 0, threads: 2, shards: halves };
      const step = compiledStep(loss, new Map([['w', tf.zeros([2, 1])]]), options);
      const losses = [];
      for (let k = 0; k < 200; k++) losses.push((await step.update({ x: tf.ones([4, 2]) }, 0.05)).loss);
      step.dispose();
      console.log(losses[0] > 8.9 && losses.at(-1) < 0.01);
    `;
    const { stdout, stderr } = node(['--input-type=module', '-e', program], packed().consumer);
    assert.equal(stdout, 'true\n', stderr);
  });

  it('type-checks with a bundler’s resolution', () => {
    // the oldest resolution, which the notebook kernel has, is arethetypeswrong's to check
    const bundler = { module: 'es2022', moduleResolution: 'bundler', noEmit: true };
    assert.equal(compile('bundler', ['program.mts'], bundler), '');
  });

  it('needs nothing of Node in the types of what runs in a browser', () => {
    const names = ['', '/transport', '/theory', '/metrics'];
    const page = names.map((name, index) => `export * as part${index} from 'condition-refinement${name}';`).join('\n');
    writeFileSync(join(packed().consumer, 'page.mts'), page);
    const browser = { lib: ['ES2022', 'DOM'], types: [], skipLibCheck: false, noEmit: true };
    assert.equal(compile('browser', ['page.mts'], { module: 'es2022', moduleResolution: 'bundler', ...browser }), '');
  });

  it('its command says where the command works', () => {
    const { status, stderr } = node([join(packed().folder, 'bin', 'cer.cjs')], packed().consumer);
    assert.equal(status, 3);
    assert.match(stderr, /works in a checkout/);
  });
});
