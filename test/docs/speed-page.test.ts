import { strict as assert } from 'node:assert';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { threadSettings } from '../../bench/shared-compare';
import { speedPage } from '../../bench/shared-speed-page';

describe('the page on speed', () => {
  it('shows saved benchmarks, few cores first, misses before hits, with the range of the ratio', () => {
    const folder = mkdtempSync(join(tmpdir(), 'cer-test-'));
    const row = { threads: 2, torch: 'eager', firstMs: 1, samples: 3, tried: {}, memoryMb: 100, torchMemoryMb: 90 };
    const fast = { ...row, case: 'fast', ms: 5, torchMs: 10, ratioToTorch: 0.5, ratioRange: [0.4, 0.6], target: 1 };
    const slow = { ...row, case: 'slow', ms: 1234, torchMs: 1000, ratioToTorch: 1.234, target: 1 };
    const machine = { processor: 'A processor', cores: 16 };
    const save = (name: string, content: object) => writeFileSync(join(folder, name), JSON.stringify(content));
    save('a.json', { benchmark: 'sampling', device: 'cpu', machine, rows: [fast, slow] });
    save('b.json', { benchmark: 'training', device: 'cpu', machine: { ...machine, cores: 2 }, rows: [fast] });
    save('c.json', { benchmark: 'training', device: 'cuda', machine: { ...machine, gpu: 'A GPU' }, rows: [slow] });
    try {
      const page = speedPage(folder);
      assert.deepEqual(page.match(/^## .*$/gm), [
        '## A training step: 2 cores, PyTorch on the same processor',
        '## Sampling: 16 cores, PyTorch on the same processor',
        '## A training step: 16 cores, PyTorch on a GPU (A GPU)',
      ]);
      assert.match(page, /Ours is faster in 1 of 2 cases/);
      assert.ok(page.indexOf('| slow | 1234 (2 threads) | 1000 (eager) | 1.23 |') > 0, page);
      assert.ok(page.indexOf('| fast | 5.00 (2 threads) | 10.0 (eager) | 0.50 (0.40 to 0.60) | 1 | 100 / 90 |') > 0);
      const sampling = page.slice(page.indexOf('## Sampling'));
      assert.ok(sampling.indexOf('| slow') < sampling.indexOf('| fast'));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('benchmarks try one thread, two, and all cores', () => {
    const settings = threadSettings();
    assert.ok(settings.includes(1) && settings.includes(2));
    assert.deepEqual(
      settings,
      [...settings].sort((a, b) => b - a),
    );
  });
});
