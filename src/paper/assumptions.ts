import { checkAssumption1, checkAssumption2, checkAssumption3, checkAssumption4 } from '../theory/assumptions';
import { type CheckedEntry, checked } from './entry';

const place = {
  kind: 'assumption' as const,
  source: 'src/theory/assumptions.ts',
  test: 'test/theory/assumptions.test.ts',
  notebook: 'notebooks/04-exponential-decay.ipynb',
};

/** The paper's four assumptions: the first three are the usual ones of diffusion models, the fourth concerns the conditions. */
export const assumptions: CheckedEntry[] = [
  checked(checkAssumption1, {
    ...place,
    id: 'assumption-1',
    name: 'Assumption 1',
    statement: 'The diffusion process is Markov.',
    checked: 'Partial correlation of x_t with x_{t-2} given x_{t-1} over draws of the forward process.',
    evidence: 'numerical',
    nature: 'identity',
    basis: 'several sources',
    paper: 'The assumption; the order of the first two is not known to us.',
    ours: 'The check, which holds by construction of the process.',
  }),
  checked(checkAssumption2, {
    ...place,
    id: 'assumption-2',
    name: 'Assumption 2',
    statement: 'The transitions of the diffusion process are Gaussian.',
    checked:
      'Total variation between the exact reverse transition of a mixture and a Gaussian of its mean and variance, at T = 25, 100 and 1000 steps: the exponent of the largest in T.',
    evidence: 'exact',
    nature: 'test',
    basis: 'several sources',
    paper: 'The assumption, for many steps.',
    ours: 'The mixture, and the departure as a number.',
  }),
  checked(checkAssumption3, {
    ...place,
    id: 'assumption-3',
    name: 'Assumption 3',
    statement: 'The variances of the transitions are equal and small, tending to 0 as the number of steps grows.',
    checked: 'Largest and median posterior variance of the cosine schedule at T = 25 to 10,000.',
    evidence: 'exact',
    nature: 'test',
    basis: 'several sources',
    paper: 'The assumption.',
    ours: 'That for the cosine schedule the median tends to 0 and the largest does not, since beta is capped at 0.999.',
  }),
  checked(checkAssumption4, {
    ...place,
    id: 'assumption-4',
    name: 'Assumption 4',
    statement: 'Bounded coefficients that converge are enough for the condition process of Eq. 18 to forget its start.',
    checked: 'Share of random bounded, convergent sequences of two coefficients whose chain forgets.',
    evidence: 'numerical',
    nature: 'test',
    basis: 'several sources',
    paper: 'Bounded coefficients that form a convergent sequence, and bounded second derivatives of p_t(x_t|c_i).',
    ours: 'That what Theorem 2 needs is the spectral radius of the limit, which these do not bound.',
  }),
];
