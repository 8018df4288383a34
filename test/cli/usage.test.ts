import { strict as assert } from 'node:assert';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { dryRunText, duration, size } from '../../src/cli/dry-run';
import { EXIT, EXIT_MEANINGS } from '../../src/cli/exit-codes';
import { buildProgram } from '../../src/cli/main';
import { ProgressLine } from '../../src/cli/progress-line';
import { OTHER, PURPOSES } from '../../src/cli/purposes';
import * as claims from '../../src/cli/verbs/claims';
import * as evaluate from '../../src/cli/verbs/evaluate';
import * as notebooks from '../../src/cli/verbs/notebooks';
import * as reproduce from '../../src/cli/verbs/reproduce';
import * as sample from '../../src/cli/verbs/sample';
import * as train from '../../src/cli/verbs/train';
import { runVerb } from './run-verb';

const root = join(__dirname, '..', '..');
const cer = (...args: string[]) =>
  spawnSync(process.execPath, [join(root, 'bin', 'cer.cjs'), ...args], { cwd: root, encoding: 'utf8' });

function helpOf(command: Command): string {
  let text = '';
  command.configureOutput({ writeOut: (part) => (text += part) });
  command.outputHelp();
  return text;
}

describe('the command line as a whole', function () {
  this.timeout(120_000);

  it('without arguments shows the verbs by purpose and the exit codes, and ends well', () => {
    const { status, stdout, stderr } = cer();
    assert.deepEqual([status, stderr], [EXIT.done, '']);
    const headings = PURPOSES.map(([purpose]) => stdout.indexOf(`\n${purpose}:\n`));
    assert.ok(
      headings.every((at, i) => at > 0 && (i === 0 || at > headings[i - 1])),
      stdout,
    );
    assert.ok(!stdout.includes(OTHER) && !stdout.includes('\nCommands:'), 'every verb has a purpose');
    for (const [code, meaning] of EXIT_MEANINGS) assert.ok(stdout.includes(`${code}  ${meaning}`));
  });

  it('every verb shows an example, and those with results have --json', () => {
    for (const command of buildProgram().commands) {
      const name = command.name();
      assert.match(helpOf(command), /\nExamples?.*:\n/, `${name} shows an example`);
      assert.match(helpOf(command), new RegExp(`\\n +cer ${name}`), `${name} is in its own example`);
      const json = command.options.some((option) => option.long === '--json');
      assert.equal(json, name !== 'lab', `${name} --json`); // its options are Jupyter's
    }
  });

  it('what takes long has --dry-run', () => {
    for (const name of ['train', 'sample', 'evaluate', 'reproduce', 'notebooks', 'sweep', 'ablate']) {
      const command = buildProgram().commands.find((verb) => verb.name() === name);
      if (!command) console.log(`not checked: there is no cer ${name}`);
      else
        assert.ok(
          command.options.some((option) => option.long === '--dry-run'),
          name,
        );
    }
  });

  it('suggests the nearest verb and option, with exit code 2', () => {
    const verb = cer('trian');
    assert.deepEqual([verb.status, /Did you mean train\?/.test(verb.stderr)], [EXIT.usage, true], verb.stderr);
    const option = cer('claims', '--sede', '1');
    assert.deepEqual([option.status, /Did you mean --seed\?/.test(option.stderr)], [EXIT.usage, true], option.stderr);
    const choice = cer('train', '--profile', 'smal');
    assert.equal(choice.status, EXIT.usage);
    assert.match(choice.stderr, /Did you mean small\? Allowed choices are smoke, small, full\./);
  });

  const mar = ['--weights', join(root, 'data/checkpoints/mar.safetensors'), '--out', 'x.npz'];
  const values: [what: string, verb: Parameters<typeof runVerb>[0], args: string[], message: RegExp][] = [
    ['a model', train, ['train', '--model', 'vae,mer'], /Did you mean mar\?/],
    ['a claim', claims, ['claims', '--only', 'theorm-2'], /Did you mean theorem-2\?/],
    ['a preset', sample, ['sample', ...mar, '--preset', 'mar-smal'], /Did you mean mar-small\?/],
    ['a notebook', notebooks, ['notebooks', '01-scor-matching'], /Did you mean 01-score-matching\?/],
  ];
  for (const [what, verb, args, message] of values) {
    it(`suggests the nearest name of ${what}`, async () => {
      await assert.rejects(runVerb(verb, ...args), { name: 'InvalidInputError', message });
    });
  }

  it('keeps to its exit codes, and shows no stack to people', () => {
    const folder = mkdtempSync(join(tmpdir(), 'cer-usage-'));
    const weights = join(root, 'data/checkpoints/mar.safetensors');
    const cases: [code: number, args: string[], message: RegExp][] = [
      [EXIT.done, ['claims', '--only', 'theorem-3'], /^$/],
      [EXIT.failed, ['parity', '--reference', folder], /no case found/],
      [EXIT.usage, ['convert', weights, join(root, 'README.md', 'x.npz')], /^cer: EEXIST.*choose another place\.$/m],
      [EXIT.usage, ['evaluate', join(folder, 'none'), '--dry-run'], /^cer: Folder of images .*Check the path/m],
      [EXIT.missing, ['inspect', join(folder, 'none.pth')], /^cer: .*none\.pth/m],
    ];
    try {
      for (const [code, args, message] of cases) {
        const { status, stderr } = cer(...args);
        assert.equal(status, code, `${args.join(' ')}: ${stderr}`);
        assert.match(stderr, message);
        assert.doesNotMatch(stderr, /\n +at /);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('dry runs', function () {
  this.timeout(120_000);
  const object = async (...given: Parameters<typeof runVerb>) => JSON.parse(await runVerb(...given));

  it('print the configuration in effect and an estimate with what it rests on', async () => {
    const whole = await object(reproduce, 'reproduce', '--profile', 'smoke', '--dry-run', '--json', '--parallel', '1');
    assert.deepEqual([whole.profile, whole.parallel, whole.notebooks.length > 10], ['smoke', 1, true]);
    assert.match(whole.estimate.basis, /recorded on \d{4}-/);
    const one = await object(notebooks, 'notebooks', '09-refinement', '--execute', '--dry-run', '--json');
    assert.deepEqual(one.notebooks, ['09-refinement']);
    assert.ok(one.estimate.seconds > 0 && one.estimate.megabytes > 0);
    const measured = await object(evaluate, 'evaluate', 'procedural:control', '--dry-run', '--json');
    assert.deepEqual(measured.counts, { images: 3000, reference: 3000 });
    assert.match(measured.estimate.basis, /recorded: 0\.8 ms an image/);
    const scratch = await object(reproduce, 'reproduce', '--from-scratch', '--dry-run', '--json', '--parallel', '1');
    const shipped = await object(reproduce, 'reproduce', '--dry-run', '--json', '--parallel', '1');
    const recorded = ['vae', 'classifier', 'mar', 'ar', 'cdm'].map((model) => {
      return JSON.parse(readFileSync(join(root, `data/checkpoints/${model}.json`), 'utf8')).seconds as number;
    });
    // The profile of the shipped trainings: the time that they took, but for rounding.
    const training = recorded.reduce((sum, seconds) => sum + seconds, 0);
    assert.ok(Math.abs(scratch.estimate.seconds - shipped.estimate.seconds - training) < 1e-6 * training);
  });

  it('more images, steps and guidance cost more', async () => {
    const weights = join(root, 'data/checkpoints/mar.safetensors');
    const cost = async (...args: string[]) => {
      const plan = ['--weights', weights, '--out', 'x.npz', '--class', '1', '--dry-run', '--json'];
      const { estimate } = await object(sample, 'sample', ...plan, ...args);
      return Number.parseFloat(estimate.basis); // GFLOP an image: counted, not measured
    };
    const base = await cost();
    const guided = await cost('--cfg', '2');
    assert.ok(Math.abs(guided / base - 2) < 0.1, `${guided} against ${base}`);
    assert.ok((await cost('--diffusion-steps', '100')) > 2 * base);
  });

  it('durations and sizes in words', () => {
    assert.deepEqual([0.2, 40, 900, 7300, 1e6].map(duration), ['1 s', '40 s', '15 min', '2 h', '12 days']);
    assert.deepEqual([99.2, 2048].map(size), ['100 MiB', '2.0 GiB']);
    const text = dryRunText({ a: 1, names: ['x', 'y'] }, { seconds: 10, megabytes: 5, basis: 'a guess' });
    assert.match(text, /\n {2}a {6}1\n {2}names {2}x, y\nestimate: about 10 s, about 5 MiB of memory \(a guess\)\n/);
  });
});

describe('progress', () => {
  const written = (isTTY: boolean, ci?: string) => {
    const before = process.env.CI;
    if (ci === undefined) delete process.env.CI;
    else process.env.CI = ci;
    let now = 0;
    const parts: string[] = [];
    const line = new ProgressLine({ write: (text) => parts.push(text), isTTY, columns: 20 }, () => now);
    for (let step = 1; step <= 50; step++) {
      now += 1000;
      line.show(`step ${step} of 50`, step === 50);
    }
    if (before === undefined) delete process.env.CI;
    else process.env.CI = before;
    return parts;
  };

  it('in a pipe and in CI is a plain line now and then', () => {
    for (const parts of [written(false), written(true, 'true')]) {
      assert.deepEqual(parts, ['step 1 of 50\n', 'step 21 of 50\n', 'step 41 of 50\n', 'step 50 of 50\n']);
    }
  });

  it('on a terminal is rewritten in place, never wider than it', () => {
    const parts = written(true);
    assert.equal(parts.length, 50);
    assert.ok(parts.every((part) => part.startsWith('\r') && part.trimEnd().length < 20));
    assert.ok(parts.at(-1)!.endsWith('\n'));
  });
});
