import { checkTheorem2Constants, checkTheorem2Rate } from '../theory/decay-rate';
import { checkTheorem2, checkTheorem2Control, checkTheorem2Law } from '../theory/exponential-decay';
import { checkLemma6, checkLemma6Carried, checkLemma6Cross, checkLemma6Injected } from '../theory/inconsistency';
import { type CheckedEntry, checked } from './entry';

const decay = {
  source: 'src/theory/exponential-decay.ts',
  test: 'test/theory/exponential-decay.test.ts',
  notebook: 'notebooks/04-exponential-decay.ipynb',
};

const inconsistency = {
  source: 'src/theory/inconsistency.ts',
  test: 'test/theory/inconsistency.test.ts',
  notebook: 'notebooks/05-inconsistency.ipynb',
};

/** The paper on autoregressive conditions: their influence decays, and part of what they carry is redundant. */
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
    nature: 'test',
    basis: 'several sources',
    paper: 'The bound, for the linear chain of its Eq. 18.',
    ours: 'M, beta and m in closed form, and the non-linear chain. For x_t drawn given c_i the norm is constant, so x_t is drawn independently.',
  }),
  checked(checkTheorem2Rate, {
    ...decay,
    source: 'src/theory/decay-rate.ts',
    test: 'test/theory/decay-rate.test.ts',
    id: 'theorem-2-rate',
    kind: 'theorem',
    name: 'Theorem 2, rate',
    statement: 'The start of the chain is forgotten exponentially: by beta per step, neither faster nor more slowly.',
    checked:
      'beta fitted from sampled paths of chains with real roots, a complex pair and converging coefficients, against the spectral radius, with an interval.',
    evidence: 'numerical',
    nature: 'test',
    basis: 'several sources',
    paper: 'The exponential rate, and coefficients that converge.',
    ours: 'That beta is the spectral radius of the limit.',
  }),
  checked(checkTheorem2Constants, {
    ...decay,
    source: 'src/theory/decay-rate.ts',
    test: 'test/theory/decay-rate.test.ts',
    id: 'theorem-2-constants',
    kind: 'theorem',
    name: 'Theorem 2, constants of the proof',
    statement:
      'The constant M that the proof gives, which goes like 1 / delta^2, is within a factor of a hundred of the exact one.',
    checked: 'The bound through the least density on the ball that holds 99 % of the mass, over the exact one.',
    evidence: 'exact',
    nature: 'test',
    basis: 'one source',
    paper: 'The dependence on 1 / delta^2, delta being the lower bound of Lemma 4.',
    ours: 'The constants in closed form for a Gaussian token, and the factor of a hundred.',
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
    nature: 'test',
    basis: 'several sources',
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
    nature: 'test',
    basis: 'our reading',
    paper: 'The contrast between static and autoregressive conditions.',
    ours: 'The debiased estimator and the control.',
  }),
  checked(checkLemma6, {
    id: 'lemma-6',
    kind: 'lemma',
    name: 'Lemma 6',
    statement:
      'A condition is the part that its token needs plus a rest; the energy of the rest is what the last step passed on plus what is new.',
    checked:
      'Energy of the rest measured from draws alone against a linear-Gaussian model in closed form, with an interval below 5 %; on trained models before and after refinement (notebook 09).',
    evidence: 'numerical',
    nature: 'test',
    basis: 'several sources',
    paper: 'The decomposition, with an abstract minimal sufficient subspace.',
    ours: 'The subspace (canonical directions that keep 99 % of the linear predictive information) and both parts by regression.',
    source: 'src/theory/inconsistency.ts',
    test: 'test/theory/inconsistency.test.ts',
    notebook: 'notebooks/05-inconsistency.ipynb',
  }),
  checked(checkLemma6Carried, {
    ...inconsistency,
    id: 'lemma-6-carried',
    kind: 'lemma',
    name: 'Lemma 6, carried over',
    statement: 'Part of the energy of the rest was passed on by the previous step.',
    checked: 'That part measured by regression from draws against its closed form, with an interval below 5 %.',
    evidence: 'numerical',
    nature: 'test',
    basis: 'several sources',
    paper: 'The part carried over.',
    ours: 'Its closed form and its measurement.',
  }),
  checked(checkLemma6Injected, {
    ...inconsistency,
    id: 'lemma-6-injected',
    kind: 'lemma',
    name: 'Lemma 6, injected',
    statement: 'The other part of the energy of the rest is new.',
    checked: 'The residual of the regression from draws against its closed form, with an interval below 5 %.',
    evidence: 'numerical',
    nature: 'test',
    basis: 'several sources',
    paper: 'The part newly injected.',
    ours: 'Its closed form and its measurement.',
  }),
  checked(checkLemma6Cross, {
    ...inconsistency,
    id: 'lemma-6-cross',
    kind: 'lemma',
    name: 'Lemma 6, orthogonal rest',
    statement: 'With a rest orthogonal to the minimal subspace the two parts add up: their cross term is 0.',
    checked:
      '2 E<carried, injected> over the energy with the orthogonal projector, from draws of the worst of eight random models.',
    evidence: 'numerical',
    nature: 'test',
    basis: 'one source',
    paper: 'That the rest is orthogonal.',
    ours: 'The cross term, and that the projection by canonical directions has none.',
  }),
];
