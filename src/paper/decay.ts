import { checkTheorem2, checkTheorem2Control, checkTheorem2Law } from '../theory/exponential-decay';
import { checkLemma6 } from '../theory/inconsistency';
import { type CheckedEntry, checked } from './entry';

const decay = {
  source: 'src/theory/exponential-decay.ts',
  test: 'test/theory/exponential-decay.test.ts',
  notebook: 'notebooks/04-exponential-decay.ipynb',
};

/** The paper on autoregressive conditions: their influence decays, and what they carry beyond need. */
export const decayOfConditions: CheckedEntry[] = [
  checked(checkTheorem2, {
    ...decay,
    id: 'theorem-2',
    kind: 'theorem',
    name: 'Theorem 2',
    statement:
      'Along an autoregressive condition chain the gradient norm of log p(x_t|c_i) is at most M beta^i + m, beta < 1.',
    checked:
      'The exact norm at every step of a random AR(3) chain against an envelope known beforehand (beta the spectral radius of the companion matrix), and coupled paths of a non-linear chain against theirs; the largest ratio counts.',
    evidence: 'exact',
    paper: 'The bound, for the linear chain of its Eq. 18.',
    ours: 'M, beta and m in closed form, and the non-linear chain. For x_t drawn given c_i the norm is constant, so x_t is held apart.',
  }),
  checked(checkTheorem2Law, {
    ...decay,
    id: 'theorem-2-law',
    kind: 'theorem',
    name: 'Theorem 2, law of the condition',
    statement: 'The law of c_i converges to a stationary law, exponentially fast.',
    checked:
      'Decay per step of the exact W2 distance to the stationary law against the spectral radius; total variation beside it.',
    evidence: 'exact',
    paper: 'That the condition distribution becomes stable.',
    ours: 'The distances and the rate.',
  }),
  checked(checkTheorem2Control, {
    ...decay,
    source: 'src/theory/exponential-decay.ts',
    id: 'theorem-2-control',
    kind: 'theorem',
    name: 'Theorem 2, static control',
    statement: 'A condition that stays the same, as in conditional diffusion, keeps its influence.',
    checked: 'The estimator that finds the decay from sampled conditions, on a static condition: its beta must be 1.',
    evidence: 'numerical',
    paper: 'The contrast between static and autoregressive conditions.',
    ours: 'The debiased estimator and the control.',
  }),
  checked(checkLemma6, {
    id: 'lemma-6',
    kind: 'lemma',
    name: 'Lemma 6',
    statement:
      'A condition is what its token needs plus a rest, and the energy of the rest is what the last step handed on plus what is new.',
    checked:
      'Energy of the rest measured from draws alone against carried + injected of a linear-Gaussian model in closed form; on trained models before and after refinement (notebook 09).',
    evidence: 'numerical',
    paper: 'The decomposition, with an abstract minimal sufficient subspace.',
    ours: 'The subspace (canonical directions that keep 99 % of the linear predictive information) and both parts by regression.',
    source: 'src/theory/inconsistency.ts',
    test: 'test/theory/inconsistency.test.ts',
    notebook: 'notebooks/05-inconsistency.ipynb',
  }),
];
