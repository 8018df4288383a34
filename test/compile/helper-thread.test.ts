import { strict as assert } from 'node:assert';
import { HelperThread } from '../../src/compile/helper-thread';
import { CerError } from '../../src/runtime/errors';

describe('compile/helper-thread', () => {
  it('a job that was never waited for, as after an interrupt, does not answer for the next', () => {
    const helper = new HelperThread();
    helper.post({ kind: 'call', id: 1, arguments: [], results: [] }); // fails: there is no such graph
    helper.post({ kind: 'close', id: 1 });
    assert.equal(helper.wait(), 0);
    helper.post({ kind: 'call', id: 1, arguments: [], results: [] });
    assert.throws(() => helper.wait(), CerError);
    helper.post({ kind: 'dispose' });
  });
});
