import { checkLemma3, checkLemma7, checkLemma9 } from '../theory/ergodicity';
import { checkProposition1 } from '../theory/patch-denoising';
import { checkLemma4, checkLemma5, checkLemma8 } from '../theory/regularity';
import { type CheckedEntry, checked } from './entry';

const notebook = 'notebooks/03-patch-denoising.ipynb';
const regular = { source: 'src/theory/regularity.ts', test: 'test/theory/regularity.test.ts', notebook };
const ergodic = { source: 'src/theory/ergodicity.ts', test: 'test/theory/ergodicity.test.ts', notebook };

/** The paper on patches denoised in turn: the condition chain, its regularity, its stationary law. */
export const patches: CheckedEntry[] = [
  checked(checkProposition1, {
    source: 'src/theory/patch-denoising.ts',
    test: 'test/theory/patch-denoising.test.ts',
    notebook,
    id: 'proposition-1',
    kind: 'proposition',
    name: 'Proposition 1',
    statement: 'Denoising patch after patch refines the condition: its gradient norm falls and its law settles.',
    checked:
      'Jointly Gaussian condition and token: the fall of the gradient norm over the iterations, closed form and simulation.',
    evidence: 'numerical',
    nature: 'test',
    basis: 'several sources',
    paper: 'The proposition.',
    ours: 'The jointly Gaussian case in closed form, and that the norm falls only from a condition broader than the stationary law.',
  }),
  checked(checkLemma3, {
    ...ergodic,
    id: 'lemma-3',
    kind: 'lemma',
    name: 'Lemma 3',
    statement: 'The chain of conditions is Markov.',
    checked:
      'Partial correlation of c_2 with c_0 given c_1 along the denoising of patches; the lagged chain of Eq. 18 beside it.',
    evidence: 'numerical',
    nature: 'identity',
    basis: 'our reading',
    paper: 'The property.',
    ours: 'The test, and that Eq. 18 with two lags is Markov only in pairs.',
  }),
  checked(checkLemma4, {
    ...regular,
    id: 'lemma-4',
    kind: 'lemma',
    name: 'Lemma 4',
    statement: 'p_t(x|c) is smooth and bounded below by a delta > 0.',
    checked: 'Where a stated delta stops holding for Gaussian tails, and the probability mass outside.',
    evidence: 'numerical',
    nature: 'test',
    basis: 'several sources',
    paper: 'The lemma, under the assumption of a lower bound.',
    ours: 'The radius and the mass where the assumption fails.',
  }),
  checked(checkLemma5, {
    ...regular,
    id: 'lemma-5',
    kind: 'lemma',
    name: 'Lemma 5',
    statement: 'The derivative of p_t(x|c) is bounded, and with Lemma 4 that of its logarithm.',
    checked:
      'Largest gradient of the density found against that of the noise alone; the largest score where p_t >= delta.',
    evidence: 'numerical',
    nature: 'test',
    basis: 'our reading',
    paper: 'The lemma.',
    ours: 'The explicit bound, and that the one it implies for the score is hundreds of times too large.',
  }),
  checked(checkLemma7, {
    ...ergodic,
    id: 'lemma-7',
    kind: 'lemma',
    name: 'Lemma 7',
    statement:
      'A small change of the transition kernel changes the laws of the conditions by a bounded multiple of it.',
    checked:
      'W2 between original and perturbed chain over 40 steps, and total variation between kernel rows, against their bounds.',
    evidence: 'exact',
    nature: 'test',
    basis: 'our reading',
    paper: 'Stability of the kernel.',
    ours: 'The explicit constants.',
  }),
  checked(checkLemma8, {
    ...regular,
    id: 'lemma-8',
    kind: 'lemma',
    name: 'Lemma 8',
    statement: 'Density and score are Lipschitz in the condition.',
    checked: 'Largest ratio of differences against the constant in closed form.',
    evidence: 'numerical',
    nature: 'test',
    basis: 'our reading',
    paper: 'The lemma.',
    ours: 'The constants, and that a condition that chooses between modes has no global one.',
  }),
  checked(checkLemma9, {
    ...ergodic,
    id: 'lemma-9',
    kind: 'lemma',
    name: 'Lemma 9',
    statement: 'The chain of conditions is geometrically ergodic.',
    checked: 'Factor per step of the distance to the stationary law against the largest squared canonical correlation.',
    evidence: 'exact',
    nature: 'test',
    basis: 'several sources',
    paper: 'Geometric ergodicity.',
    ours: 'The rate.',
  }),
];
