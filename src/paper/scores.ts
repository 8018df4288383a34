import { checkDefinition1, checkDefinition2 } from '../theory/condition-error';
import { checkLemma2 } from '../theory/guidance';
import {
  checkLemma1,
  checkLemma1Denoising,
  checkLemma1Implicit,
  checkTheorem1,
  checkTheorem1Gap,
} from '../theory/score-matching';
import { type CheckedEntry, checked } from './entry';

const scoreMatching = {
  source: 'src/theory/score-matching.ts',
  test: 'test/theory/score-matching.test.ts',
  notebook: 'notebooks/01-score-matching.ipynb',
};

const guidance = {
  source: 'src/theory/guidance.ts',
  test: 'test/theory/guidance.test.ts',
  notebook: 'notebooks/02-guidance.ipynb',
};

/** The paper on scores: what conditioning costs, what a condition error is, what guidance scales. */
export const scores: CheckedEntry[] = [
  checked(checkTheorem1, {
    ...scoreMatching,
    id: 'theorem-1',
    kind: 'theorem',
    name: 'Theorem 1',
    statement:
      'For a score model s, the mean squared error to the unconditional score is at most the one to the conditional score.',
    checked:
      'Difference of the errors over draws of (x, c) from a diffused mixture, four models at three noise levels; the worst counts.',
    evidence: 'numerical',
    paper: 'The inequality.',
    ours: 'Mixtures, models and noise levels.',
  }),
  checked(checkTheorem1Gap, {
    ...scoreMatching,
    id: 'theorem-1-gap',
    kind: 'theorem',
    name: 'Theorem 1, exact gap',
    statement:
      'The two errors differ by the mean posterior variance of the conditional score, E tr Cov(grad log p(x|c) | x).',
    checked: 'The difference of both errors over draws against that variance by quadrature.',
    evidence: 'numerical',
    paper: 'Nothing: the paper has the inequality alone.',
    ours: 'The closed form, which makes the inequality an identity.',
  }),
  checked(checkLemma1, {
    ...scoreMatching,
    id: 'lemma-1',
    kind: 'lemma',
    name: 'Lemma 1',
    statement: 'The squared score error expands into model energy, cross term and the energy of the true score.',
    checked: 'Left side by quadrature, right side term by term from draws.',
    evidence: 'numerical',
    paper: 'The expansion.',
    ours: 'The problem it is evaluated on.',
  }),
  checked(checkLemma1Implicit, {
    ...scoreMatching,
    id: 'lemma-1-implicit',
    kind: 'lemma',
    name: 'Lemma 1, implicit form',
    statement: 'Integration by parts turns the cross term into the divergence of the model (Hyvarinen 2005).',
    checked: 'The error by quadrature against E||s||^2 + 2 E div s + E||grad log p||^2 from draws.',
    evidence: 'numerical',
    paper: 'The lemma whose cross term this is.',
    ours: 'The check in this form, which needs no true score in the model-dependent terms.',
  }),
  checked(checkLemma1Denoising, {
    ...scoreMatching,
    id: 'lemma-1-denoising',
    kind: 'lemma',
    name: 'Lemma 1, denoising form',
    statement: 'Up to a constant, the error is that of predicting the noise that was added (Vincent 2011).',
    checked:
      'The error by quadrature against the denoising error minus its constant, from pairs of clean and noised draws.',
    evidence: 'numerical',
    paper: 'The lemma; the diffusion loss is trained in this form.',
    ours: 'The check in this form, constant included.',
  }),
  checked(checkDefinition1, {
    ...guidance,
    source: 'src/theory/condition-error.ts',
    test: 'test/theory/condition-error.test.ts',
    id: 'definition-1',
    kind: 'definition',
    name: 'Definition 1',
    statement: 'Condition error: energy of the conditional score minus energy of the unconditional score.',
    checked: 'The difference of energies against E||grad log p(c|x)||^2.',
    evidence: 'numerical',
    paper: 'The definition.',
    ours: 'That over x and c it equals the energy of the classifier gradient, while for one class alone it can be negative.',
  }),
  checked(checkDefinition2, {
    ...guidance,
    source: 'src/theory/condition-error.ts',
    test: 'test/theory/condition-error.test.ts',
    id: 'definition-2',
    kind: 'definition',
    name: 'Definition 2',
    statement: 'Condition error as the energy of the difference of conditional and unconditional score.',
    checked: 'Its value against Definition 1: in expectation the two are the same number.',
    evidence: 'exact',
    paper: 'The definition.',
    ours: 'The equality in expectation (pointwise they differ).',
  }),
  checked(checkLemma2, {
    ...guidance,
    id: 'lemma-2',
    kind: 'lemma',
    name: 'Lemma 2',
    statement: 'The guided score is the unconditional one plus w times a control term, the gradient of log p(c|x).',
    checked:
      'The control term recovered from guided scores at four weights against differences of log p(c|x), its mean under p(c|x), and what a line in the weight leaves over.',
    evidence: 'exact',
    paper: 'The decomposition.',
    ours: 'Recovery, zero mean and uniqueness as numbers.',
  }),
];
