import { strict as assert } from 'node:assert';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as verb from '../../src/cli/verbs/inspect';
import { writeNpz } from '../../src/io/npz';
import { writeSafetensors } from '../../src/io/safetensors';
import { storedTensor } from '../../src/io/tensor-record';
import { findPreset, shapesOf } from '../../src/models/presets';
import { runVerb } from './run-verb';

const REFERENCE = join(__dirname, '../../data/reference/mar');

describe('cli/inspect', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'cer-inspect-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  it('lists every tensor, counts parameters and shows args of a checkpoint', async () => {
    const report = JSON.parse(await runVerb(verb, 'inspect', join(REFERENCE, 'mar_small_fitted.pth'), '--json'));
    const about = JSON.parse(readFileSync(join(REFERENCE, 'mar_small_fitted.pth.json'), 'utf8'));
    assert.equal(report.format, 'torch');
    assert.deepEqual(report.values, { epoch: 3, args: about.args });
    const names = report.tensors.map(({ name }: { name: string }) => name);
    const expected = ['model', 'model_ema'].flatMap((key) => Object.keys(about.tensors[key]).map((n) => `${key}.${n}`));
    assert.deepEqual(names.sort(), expected.sort());
    const counts = report.groups.map(({ key, parameters, preset }: Record<string, unknown>) => [
      key,
      parameters,
      preset,
    ]);
    const total = Object.values<{ shape: number[] }>(about.tensors.model).reduce(
      (sum, { shape }) => sum + shape.reduce((product, side) => product * side, 1),
      0,
    );
    assert.deepEqual(counts, [
      ['model', total, null],
      ['model_ema', total, null],
    ]);
  });

  it('names the preset that fits, and the nearest one when one weight is missing', async () => {
    const path = join(folder, 'small.safetensors');
    const tensors = [...shapesOf(findPreset('ar-small'))].map(([name, shape]) => {
      const size = shape.reduce((product, side) => product * side, 1);
      return [name, storedTensor('F32', shape, () => new Float32Array(size))] as const;
    });
    writeSafetensors(path, tensors);
    assert.match(await runVerb(verb, 'inspect', path), /fits the preset ar-small/);
    writeSafetensors(path, tensors.slice(1));
    assert.match(await runVerb(verb, 'inspect', path), /fits no preset \(nearest: ar-small\)/);
  });

  it('shows arrays of NumPy and refuses what is none of these', async () => {
    const path = join(folder, 'fid.npz');
    writeNpz(path, [['mu', { dtype: 'F64', shape: [3], data: new Float64Array(3) }]]);
    assert.match(await runVerb(verb, 'inspect', path), /npz.*1 tensors, 3 elements\nmu {4}F64 {3}\[3\]/);
    writeFileSync(path, 'hello world, this is text');
    await assert.rejects(runVerb(verb, 'inspect', path), { name: 'FileFormatError' });
    await assert.rejects(runVerb(verb, 'inspect', `${path}.none`), { name: 'MissingDependencyError' });
  });

  it('shows escape sequences of names and errors, and cuts long ones', async () => {
    const path = join(folder, 'escapes.safetensors');
    const one = { dtype: 'F32', shape: [1], data: Float32Array.of(1) } as const;
    const [red, back] = ['\u001b[31mred\n\u009b2J', '\u202etxt'];
    writeSafetensors(
      path,
      [
        [red, one],
        ['x'.repeat(3000), one],
      ],
      { [back]: '\u009b' },
    );
    for (const json of [[], ['--json']]) {
      const said = await runVerb(verb, 'inspect', path, ...json);
      assert.doesNotMatch(said, /(?!\n)[\p{Cc}\p{Bidi_Control}]/u);
      if (json.length > 0) {
        assert.equal(JSON.parse(said).tensors[0].name, red);
        assert.deepEqual(JSON.parse(said).values, { [back]: '\u009b' });
      } else {
        assert.match(said, /^\\u001b\[31mred\\u000a\\u009b2J {2,}F32/m);
        assert.ok(said.split('\n').every((line) => line.length < 200));
      }
    }
    const refused = runVerb(verb, 'inspect', join(folder, '\u001b[31mnone'));
    await assert.rejects(
      refused,
      (error: Error) => error.message.includes('\\u001b[31mnone') && !error.message.includes('\u001b'),
    );
  });

  it('calls a page of text no file of weights', async () => {
    const message = /a file that begins with "# cond"; expected safetensors/;
    await assert.rejects(runVerb(verb, 'inspect', join(__dirname, '../../README.md')), {
      name: 'FileFormatError',
      message,
    });
  });
});
