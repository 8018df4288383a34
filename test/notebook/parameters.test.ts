import { strict as assert } from 'node:assert';
import { parameters, profileInEffect } from '../../src/notebook/parameters';

/** Runs with environment variables set, prints swallowed, and puts both back. */
function within<T>(environment: Record<string, string>, run: () => T): T {
  const before = Object.keys(environment).map((name) => [name, process.env[name]] as const);
  const log = console.log;
  console.log = () => {};
  Object.assign(process.env, environment);
  try {
    return run();
  } finally {
    console.log = log;
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
}

describe('notebook/parameters', () => {
  const defaults = { seeds: 3, eta: 0.5, kind: 'linear', steps: [1, 2], exact: false };
  const take = (environment: Record<string, string> = {}) =>
    within({ CER_PROFILE: '', CER_PARAMETERS: '', ...environment }, () =>
      parameters(defaults, { smoke: { seeds: 1 }, full: { seeds: 9, steps: [1, 2, 3] } }),
    );

  it('takes defaults, then the profile, then the environment, the later winning', () => {
    assert.deepEqual(take(), defaults);
    assert.deepEqual(take({ CER_PROFILE: 'full' }), { ...defaults, seeds: 9, steps: [1, 2, 3] });
    assert.deepEqual(take({ CER_PROFILE: 'full', CER_PARAMETERS: '{"seeds": 2, "kind": "cosine"}' }), {
      ...defaults,
      seeds: 2,
      kind: 'cosine',
      steps: [1, 2, 3],
    });
  });

  it('refuses an unknown name and suggests the one that was meant', () => {
    assert.throws(() => take({ CER_PARAMETERS: '{"sedes": 4}' }), /got sedes.*Did you mean seeds\?/);
  });

  it('refuses a value of another type than the default, saying both', () => {
    for (const [text, message] of [
      ['{"seeds": "4"}', /seeds.*got "4" \(string\); expected a number/],
      ['{"steps": [1, "2"]}', /steps.*list of number and string.*expected a list of number/],
      ['{"steps": 1}', /steps.*expected a list of number/],
      ['{"exact": 0}', /exact.*expected a boolean/],
      ['{"eta": null}', /eta.*got null/],
    ] as const) {
      assert.throws(() => take({ CER_PARAMETERS: text }), message);
    }
    assert.deepEqual(take({ CER_PARAMETERS: '{"steps": []}' }).steps, []);
  });

  it('refuses what is no JSON object and an unknown profile', () => {
    for (const text of ['seeds=3', '[1]', 'null', '"seeds"']) {
      assert.throws(() => take({ CER_PARAMETERS: text }), /expected a JSON object/);
    }
    assert.throws(() => within({ CER_PROFILE: 'tiny' }, profileInEffect), /expected one of smoke, small, full, paper/);
  });
});
