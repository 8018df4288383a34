import { strict as assert } from 'node:assert';
import { spawn, spawnSync } from 'node:child_process';
import { cerCommands, exampleCommands, refusal, takesLong } from './command-lines';
import { type Block, blocksOf, pageNames } from './pages';
import { workplace } from './workplace';

/** All of them take two minutes on two quiet cores: `.ci/run` asks for that, `npm test` for those that are quick. */
const everything = process.env.CER_TEST_DOCS === 'all';
const shellBlocks = (page: string) => blocksOf(page).filter(({ language }) => language === 'sh');

/** Programs that a page may suppose and a machine may lack. */
const NEEDS = ['redis-server'];

describe('commands on the pages', () => {
  it('have the names and options that there are', () => {
    const blocks = pageNames().flatMap(shellBlocks);
    const given = blocks.flatMap(({ where, text, short }) =>
      cerCommands(`${text}\n${short?.text ?? ''}`).map((words) => ({ where, words })),
    );
    assert.ok(given.length > 30, `${given.length} found`);
    const refused = given.map(({ where, words }) => [where, refusal(words)]).filter(([, said]) => said);
    assert.deepEqual(refused, []);
  });

  it('in the help have them, too', () => {
    const examples = exampleCommands();
    assert.ok(examples.length > 20);
    assert.deepEqual(
      examples.map((words) => [words.join(' '), refusal(words)]).filter(([, said]) => said),
      [],
    );
  });

  it('would be refused if they had not', () => {
    assert.match(refusal(['claims', '--sede', '1']), /unknown option/);
    assert.match(refusal(['trian']), /unknown command/);
    assert.deepEqual(cerCommands(`A='{"b":1}' npx cer claims --only "a b" > x # no\ncer x`), [
      ['claims', '--only', 'a b'],
    ]);
  });
});

describe('commands on the pages, run', function () {
  this.timeout(600_000); // the longest takes half a minute; other processes may have the machine
  let left = 0;
  after(() => {
    if (left > 0) console.log(`not run: ${left} that take longer (CER_TEST_DOCS=all runs them, as .ci/run does)`);
  });

  for (const page of pageNames()) {
    const blocks = shellBlocks(page);
    if (blocks.length === 0) continue;
    const chosen = blocks.filter((block) => everything || !takesLong(block));
    left += blocks.length - chosen.length;
    if (chosen.length === 0) continue;

    describe(page, () => {
      let place: Awaited<ReturnType<typeof workplace>>;
      before(async () => {
        place = await workplace();
      });
      after(() => place.remove());
      afterEach(endGroup); // also after a test that ran out of time

      for (const block of chosen) {
        it(`${block.where}: ${title(block)}`, async function () {
          const missing = NEEDS.find((program) => block.text.includes(program) && !onPath(program));
          if (missing) {
            console.log(`skipped: no ${missing} here`);
            this.skip();
          }
          const { status, output } = await run(commandsOf(block), place.folder);
          assert.equal(status, 0, output);
        });
      }
    });
  }
});

/** The short form where there is one. */
function commandsOf({ text, short }: Block): string {
  return short?.text ?? text;
}

function title(block: Block): string {
  const [first, ...more] = commandsOf(block).split('\n');
  return `${first.slice(0, 70)}${first.length > 70 || more.length > 0 ? ' ...' : ''}`;
}

function onPath(program: string): boolean {
  return spawnSync(program, ['--version']).status === 0;
}

/** The process group of the lines under way: also what they started in the background. */
let group: number | undefined;

function endGroup(): void {
  try {
    if (group !== undefined) process.kill(-group, 'SIGTERM');
  } catch {
    // nothing was left
  }
  group = undefined;
}

/** Runs lines as a person would in the folder, stopping at the first that fails. */
function run(commands: string, cwd: string): Promise<{ status: number | null; output: string }> {
  const own = { CER_RESULTS: `${cwd}/results`, npm_config_cache: `${cwd}/.npm`, CI: 'true' };
  const child = spawn('bash', ['-euo', 'pipefail', '-c', commands], {
    cwd,
    env: { ...process.env, ...own },
    detached: true,
  });
  group = child.pid;
  let output = '';
  child.stdout.on('data', (part) => (output += part));
  child.stderr.on('data', (part) => (output += part));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (status) => resolve({ status, output: output.slice(-4000) }));
  });
}
