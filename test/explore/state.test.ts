import { strict as assert } from 'node:assert';
import fc from 'fast-check';
import { decayControls, decayPresets } from '../../src/explore/page/decay/settings';
import { figure3Controls, figure3Presets } from '../../src/explore/page/figure-3/settings';
import { type FlowSettings, flowControls, flowPresets } from '../../src/explore/page/flow/settings';
import {
  type Control,
  type Controls,
  decodeQuery,
  encodeHash,
  initialValues,
  type NumberControl,
  positionOf,
  positions,
  splitHash,
  type Values,
  valueAt,
  valueText,
} from '../../src/explore/page/state';
import { readable, signed } from '../../src/explore/page/words';

const panels = [
  { id: 'flow', controls: flowControls as unknown as Controls<Values>, presets: flowPresets },
  { id: 'decay', controls: decayControls as unknown as Controls<Values>, presets: decayPresets },
  { id: 'figure-3', controls: figure3Controls as unknown as Controls<Values>, presets: figure3Presets },
];

/** Any settings that the controls can be brought to. */
function settingsOf(controls: Controls<Values>): fc.Arbitrary<Values> {
  const each = Object.entries(controls as unknown as Record<string, Control>).map(([name, control]) => {
    if (control.kind === 'switch') return [name, fc.boolean()] as const;
    if (control.kind === 'choice')
      return [name, fc.constantFrom(...control.options.map(({ value }) => value))] as const;
    return [name, fc.integer({ min: 0, max: positions(control) }).map((at) => valueAt(control, at))] as const;
  });
  return fc.record(Object.fromEntries(each) as Record<string, fc.Arbitrary<number | string | boolean>>, {
    noNullPrototype: true,
  });
}

describe('settings of the page', () => {
  for (const { id, controls, presets } of panels) {
    it(`${id}: an address gives back exactly the settings that it was made from`, () => {
      fc.assert(
        fc.property(settingsOf(controls), (values) => {
          const { panel, query } = splitHash(encodeHash(id, controls, values));
          assert.equal(panel, id);
          assert.deepEqual(decodeQuery(controls, query), values);
        }),
      );
    });

    it(`${id}: initial values and presets lie on the sliders, so that showing them does not change them`, () => {
      for (const changes of [{}, ...presets.map((preset) => preset.changes)]) {
        const values = { ...initialValues(controls), ...(changes as Values) };
        const { query } = splitHash(encodeHash(id, controls, values));
        assert.deepEqual(decodeQuery(controls, query), values);
      }
    });

    it(`${id}: any address gives settings in range`, () => {
      const names = Object.keys(controls);
      const query = fc
        .array(fc.tuple(fc.oneof(fc.constantFrom(...names, '__proto__', 'constructor'), fc.string()), fc.string()))
        .map((pairs) => new URLSearchParams(pairs).toString());
      fc.assert(
        fc.property(fc.oneof(query, fc.string()), (text) => {
          const values = decodeQuery(controls, text) as Values;
          assert.deepEqual(Object.keys(values), names);
          for (const [name, control] of Object.entries(controls as unknown as Record<string, Control>)) {
            if (control.kind === 'number') {
              const value = values[name] as number;
              assert.ok(value >= control.min && value <= control.max, `${name} = ${value}`);
            } else if (control.kind === 'choice') {
              assert.ok(control.options.some((option) => option.value === values[name]));
            } else assert.equal(typeof values[name], 'boolean');
          }
        }),
      );
    });
  }

  it('an address names only what was changed', () => {
    const values: FlowSettings = { ...initialValues(flowControls), eta: 0.5, debiased: true };
    assert.equal(encodeHash('flow', flowControls, values), '#flow?eta=0.5&debiased=true');
    assert.equal(encodeHash('flow', flowControls, initialValues(flowControls)), '#flow');
    assert.deepEqual(splitHash(''), { panel: '', query: '' });
  });

  it('a logarithmic slider has equal ratios between positions', () => {
    const epsilon = flowControls.epsilon as NumberControl;
    assert.equal(valueAt(epsilon, 0), 0.0005);
    assert.equal(valueAt(epsilon, positions(epsilon)), 1);
    // Ten positions a decade; two significant digits round a ratio of 1.259 by up to 5 % each.
    for (let at = 1; at <= positions(epsilon); at++) {
      const ratio = valueAt(epsilon, at) / valueAt(epsilon, at - 1);
      assert.ok(ratio > 1.14 && ratio < 1.38, `ratio ${ratio} at ${at}`);
      assert.equal(positionOf(epsilon, valueAt(epsilon, at)), at);
    }
    assert.equal(valueText(epsilon, 0.05), '0.05 × mean cost');
    assert.equal(valueText(flowControls.eta as NumberControl, 0.5), '0.50');
  });

  it('numbers are written for people', () => {
    assert.deepEqual(
      [0, 0.5, 1234.5, -0.0002453, 2e7, 1e-6, 0.98029].map((value) => readable(value)),
      ['0', '0.5', '1235', '−0.000245', '2.00 × 10⁷', '1.00 × 10⁻⁶', '0.98'],
    );
    assert.equal(readable(Number.NaN), 'undefined');
    assert.equal(signed(0.98029), '+0.98');
    assert.equal(signed(-1.5), '−1.5');
  });
});
