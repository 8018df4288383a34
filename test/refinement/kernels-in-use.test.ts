import { strict as assert } from 'node:assert';
import { optimalTransportRefiner } from '../../src/refinement/optimal-transport';
import { foldIn, key, normal } from '../../src/runtime/random';
import { group } from '../support/group';

describe('refinement/couple', () => {
  it('couples with the compiled kernels, without anybody having loaded them', () => {
    const width = 8;
    const cloud = (name: string) => Float32Array.from(normal(foldIn(key(1), name), 20 * width));
    const methods: (string | undefined)[] = [];
    optimalTransportRefiner()(
      group({
        conditions: cloud('conditions'),
        targets: cloud('targets'),
        width,
        observe: ({ coupling }) => methods.push(coupling?.method),
      }),
    );
    assert.match(methods[0] ?? '', /^float32/);
  });
});
