import { createGroup, type Refiner } from './refiner';

/**
 * Residual coupling: takes from both sides what the visible tokens alone predict, lets `refine` move the residuals, and adds the
 * prediction for the row's own tokens back. Where all rows see the same tokens, this is `refine` itself on translated clouds.
 * @throws InvalidInputError when the law or the group does not say which tokens are visible.
 */
export function givenVisible(refine: Refiner): Refiner {
  return ({ conditions, law, context }) => {
    const { prediction, law: rest } = law.residual;
    const own = prediction.predict(context.visibleTokens());
    const whole = (residuals: Float32Array) => residuals.map((value, i) => value + own[i]);
    const residual = (values: Float32Array) => values.map((value, i) => value - own[i]);
    const group = createGroup(residual(conditions), rest, {
      ...context,
      inverse: (current) => residual(context.inverse(whole(current))),
      prior: (current) => context.prior(whole(current)),
      otherMeans: [], // they are means of whole conditions, not of residuals
      observe: (at) => context.observe({ ...at, before: whole(at.before), after: whole(at.after) }),
    });
    const refined = refine(group);
    return { ...refined, conditions: whole(refined.conditions) };
  };
}
