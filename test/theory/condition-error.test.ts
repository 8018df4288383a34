import { strict as assert } from 'node:assert';
import {
  checkDefinition1,
  checkDefinition1Classes,
  checkDefinition2,
  conditionErrors,
  conditionErrorsOfClass,
  posteriorGradients,
  posteriorInformation,
} from '../../src/theory/condition-error';
import { planarExample } from '../../src/theory/example-mixtures';
import { classPrior, diffuse, evaluate, gaussianMixture } from '../../src/theory/gaussian-mixture';
import { assertVerdict, close } from './helpers';

describe('theory/condition-error', () => {
  it('is zero when the class says nothing, and all of the class scores when classes do not overlap', () => {
    const same = gaussianMixture([
      { weight: 1, mean: [0.5], covariance: 2, label: 0 },
      { weight: 3, mean: [0.5], covariance: 2, label: 1 },
    ]);
    close(conditionErrors(same).normOfDifference, 0, 1e-14);
    close(conditionErrors(same).differenceOfNorms, 0, 1e-14);
    const apart = gaussianMixture([
      { weight: 1, mean: [-40], covariance: 1, label: 0 },
      { weight: 1, mean: [40], covariance: 1, label: 1 },
    ]);
    // Each x belongs to its class for certain: the score already is the class score.
    close(conditionErrors(apart).normOfDifference, 0, 1e-14);
  });

  it('the three ways to the condition error agree, at every noise level', () => {
    for (const alphaBar of [1, 0.7, 0.1]) {
      const law = diffuse(planarExample(), alphaBar);
      const { differenceOfNorms, normOfDifference } = conditionErrors(law);
      close(differenceOfNorms, normOfDifference, 1e-12);
      // Central differences at 1e-5 leave about 1e-9.
      close(posteriorInformation(law), normOfDifference, 1e-7);
    }
  });

  it('for one class alone the two differ and the first can be negative; the average over classes restores them', () => {
    const law = diffuse(planarExample(), 0.7);
    const prior = classPrior(law);
    const parts = [0, 1, 2].map((c) => conditionErrorsOfClass(law, c));
    assert.ok(parts.some((part) => part.differenceOfNorms < -0.05));
    const whole = conditionErrors(law);
    for (const name of ['differenceOfNorms', 'normOfDifference'] as const) {
      close(
        parts.reduce((sum, part, c) => sum + prior[c] * part[name], 0),
        whole[name],
        1e-9,
      );
    }
  });

  it('finite differences of the posterior give the difference of scores', () => {
    const law = diffuse(planarExample(), 0.7);
    const x = [0.2, -0.6];
    const at = evaluate(law, x);
    posteriorGradients(law, x).forEach((gradient, c) => {
      gradient.forEach((g, i) => close(g, at.classScores[c][i] - at.score[i], 1e-8));
    });
  });

  it('the claims hold, whatever the seed', () => {
    assertVerdict(checkDefinition1, 'holds');
    assertVerdict(checkDefinition2, 'holds', [0]);
    assertVerdict(checkDefinition1Classes, 'fails', [0]);
    // Two classes that mirror each other: by symmetry each has the mean of both, which is an energy.
    const mirrored = gaussianMixture(
      [-1, 1].map((side, label) => ({
        weight: 0.5,
        mean: [side, 0],
        covariance: [
          [0.3, 0],
          [0, 0.3],
        ],
        label,
      })),
    );
    assert.equal(checkDefinition1Classes({ mixture: mirrored }).verdict, 'holds');
  });
});
