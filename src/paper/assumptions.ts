import { checkAssumption1, checkAssumption2, checkAssumption3, checkAssumption4 } from '../theory/assumptions';
import { type CheckedEntry, checked } from './entry';

const place = {
  kind: 'assumption' as const,
  source: 'src/theory/assumptions.ts',
  test: 'test/theory/assumptions.test.ts',
  notebook: 'notebooks/04-exponential-decay.ipynb',
};

/** The paper's four assumptions. The wording of the first three is our reading of what its lemmas use. */
export const assumptions: CheckedEntry[] = [
  checked(checkAssumption1, {
    ...place,
    id: 'assumption-1',
    name: 'Assumption 1',
    statement: 'Each condition depends on the past through its predecessor alone.',
    checked: 'Variance of c_i that c_{i-2} explains beyond c_{i-1}, for the chain of Eq. 18 with one lag and with two.',
    evidence: 'numerical',
    paper: 'The Markov property of the condition chain, which its Lemma 3 uses.',
    ours: 'The wording, and the likelihood-ratio test, which trained networks are put to as well.',
  }),
  checked(checkAssumption2, {
    ...place,
    notebook: 'notebooks/03-patch-denoising.ipynb',
    id: 'assumption-2',
    name: 'Assumption 2',
    statement: 'The conditional density has a positive lower bound.',
    checked: 'Its infimum for a Gaussian, and the balls on which a bound does hold.',
    evidence: 'exact',
    paper: 'The lower bound delta that its Lemma 4 needs.',
    ours: 'The wording, and where it fails.',
  }),
  checked(checkAssumption3, {
    ...place,
    id: 'assumption-3',
    name: 'Assumption 3',
    statement: 'The conditional score is Lipschitz in the condition, uniformly in time.',
    checked: 'Its largest constant over the noise levels against the closed form.',
    evidence: 'exact',
    paper: 'The regularity that its Lemmas 5 and 8 use.',
    ours: 'The wording and the constant, which grows without bound as tokens become determined by their condition.',
  }),
  checked(checkAssumption4, {
    ...place,
    id: 'assumption-4',
    name: 'Assumption 4',
    statement: 'The coefficients of the condition chain are bounded and converge; second derivatives are bounded.',
    checked:
      'The spectral radius of the limit, which has to be below 1, and the growth of a chain that is bounded but above it.',
    evidence: 'exact',
    paper: 'The assumption of Theorem 2.',
    ours: 'That what the theorem needs is the spectral radius: bounded and convergent is not enough.',
  }),
];
