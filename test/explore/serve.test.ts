import { strict as assert } from 'node:assert';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildPage, type PageFiles, POLICY } from '../../src/explore/page';
import { writePage } from '../../src/explore/run';
import { type PageServer, servePage } from '../../src/explore/serve';
import { InvalidInputError } from '../../src/runtime/errors';

const root = join(__dirname, '..', '..');

describe('cer explore, served', function () {
  this.timeout(60_000);
  let files: PageFiles;
  let server: PageServer;
  before(async () => {
    files = await buildPage();
    server = await servePage(files, 0);
  });
  after(() => server.close());

  it('serves its four files with a strict policy, on the loopback address', async () => {
    assert.match(server.url, /^http:\/\/127\.0\.0\.1:\d+\/$/);
    assert.deepEqual([...files.keys()], ['index.html', 'explore.css', 'explore.js', 'plotly.min.js']);
    for (const [name, content] of files) {
      const response = await fetch(server.url + name);
      assert.equal(response.status, 200);
      assert.ok(response.headers.get('content-security-policy')?.startsWith("default-src 'none'; script-src 'self'"));
      assert.equal(response.headers.get('x-content-type-options'), 'nosniff');
      assert.equal(Buffer.from(await response.arrayBuffer()).equals(content), true);
    }
    assert.equal((await fetch(server.url)).headers.get('content-type'), 'text/html; charset=utf-8');
  });

  it('knows nothing else, and takes no other method', async () => {
    assert.equal((await fetch(`${server.url}../package.json`)).status, 404);
    assert.equal((await fetch(`${server.url}%2e%2e/package.json`)).status, 404);
    assert.equal((await fetch(`${server.url}constructor`)).status, 404);
    assert.equal((await fetch(server.url, { method: 'POST', body: 'x' })).status, 405);
    // fetch would tidy this one up; a parser of URLs throws on it.
    const [answer] = await once(get(server.url, { path: '//' }), 'response');
    assert.equal(answer.statusCode, 404);
    answer.resume();
    const head = await fetch(`${server.url}explore.css`, { method: 'HEAD' });
    assert.equal(head.headers.get('content-length'), String(files.get('explore.css')!.length));
  });

  it('says what to do when the port is taken', async () => {
    const port = Number(new URL(server.url).port);
    await assert.rejects(servePage(files, port), (error: InvalidInputError) => {
      assert.ok(error instanceof InvalidInputError);
      assert.match(error.message, new RegExp(`port ${port}, which another program listens on.*--port 0`));
      return true;
    });
  });

  it('holds the kernels and no deep-learning library, and no inline script or handler', () => {
    const script = files.get('explore.js')!.toString();
    // The worker's text is inside, with the WebAssembly magic number in base64.
    assert.ok(script.includes('AGFzbQ'), 'kernels');
    assert.ok(!/tensorflow|tfjs|onnx/i.test(script), 'no tfjs');
    assert.ok(script.length < 400_000, `${script.length} bytes`);
    const page = files.get('index.html')!.toString();
    assert.ok(!/<script>|<style| style=| on\w+=|https?:\/\/(?!www\.w3\.org)/.test(page), 'all of it in files');
    assert.ok(page.includes(POLICY));
    assert.match(page, /<math /);
    assert.ok(!/\{\{|\\\[/.test(page), 'nothing left unfilled');
  });

  it('writes the page to a folder', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'cer-explore-'));
    try {
      assert.equal(await writePage(folder), join(folder, 'index.html'));
      assert.deepEqual(readdirSync(folder).sort(), [...files.keys()].sort());
      assert.ok(readFileSync(join(folder, 'explore.js')).equals(files.get('explore.js')!));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('the verb prints its address as JSON, serves, and ends with 0 on Ctrl-C', async () => {
    const child = spawn(process.execPath, ['bin/cer.cjs', 'explore', '--port', '0', '--no-open', '--json'], {
      cwd: root,
    });
    try {
      let printed = '';
      for await (const chunk of child.stdout) {
        printed += chunk;
        if (printed.includes('\n')) break;
      }
      const { address: url } = JSON.parse(printed);
      assert.match(url, /^http:\/\/127\.0\.0\.1:\d+\/$/);
      assert.equal((await fetch(url)).status, 200);
    } finally {
      child.kill('SIGINT');
    }
    const [code] = child.exitCode === null ? await once(child, 'exit') : [child.exitCode];
    assert.equal(code, 0);
  });
});
