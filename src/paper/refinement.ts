import { checkProposition2, checkTheorem3, checkTheorem3Bias, checkTheorem3Particles } from '../theory/convergence';
import { checkSinkhorn } from '../theory/matrix-scaling';
import { type CheckedEntry, checked } from './entry';

const flow = {
  source: 'src/theory/convergence.ts',
  test: 'test/theory/gradient-flow.test.ts',
  notebook: 'notebooks/07-gradient-flow.ipynb',
};

/** The paper on refinement: a Wasserstein gradient flow to the ideal law of conditions. */
export const refinement: CheckedEntry[] = [
  checked(checkProposition2, {
    ...flow,
    id: 'proposition-2',
    kind: 'proposition',
    name: 'Proposition 2',
    statement:
      'Refinement minimises F = W2^2(P_c, P_c*) + lambda E||c - T^-1(x)||^2 step by step (Jordan-Kinderlehrer-Otto), and F never rises.',
    checked:
      'Exact Gaussian steps against random competitors in the step objective, and the energy balance of steps on particles with lambda > 0.',
    evidence: 'numerical',
    paper: 'The functional and the scheme.',
    ours: 'The closed-form steps and the energy balance as a number.',
  }),
  checked(checkTheorem3, {
    ...flow,
    id: 'theorem-3',
    kind: 'theorem',
    name: 'Theorem 3',
    statement: 'W2(P^k, P_c*) is at most rho^k W2(P^0, P_c*) with rho < 1.',
    checked: 'rho of exact JKO steps on Gaussians in R^4 for five step sizes against 1 / (1 + 2 eta); lambda = 0.',
    evidence: 'exact',
    paper: 'The bound, with an unspecified rho.',
    ours: 'The value of rho, for the proximal step and for explicit Euler.',
  }),
  checked(checkTheorem3Particles, {
    ...flow,
    id: 'theorem-3-particles',
    kind: 'theorem',
    name: 'Theorem 3, particles',
    statement: 'The same contraction for clouds of conditions, which is what the algorithm moves.',
    checked: 'rho of a cloud that splits into three, with exact transport at every step, against 1 / (1 + 2 eta).',
    evidence: 'numerical',
    paper: 'The algorithm on samples.',
    ours: 'The particle flow and its exact distances.',
  }),
  checked(checkTheorem3Bias, {
    ...flow,
    id: 'theorem-3-bias',
    kind: 'theorem',
    name: 'Theorem 3, bias of lambda',
    statement: 'With lambda > 0 the flow converges, but to a barycentre of P_c* and the law of T^-1(x), not to P_c*.',
    checked: 'W2 between the limit of the flow and P_c* against lambda / (1 + lambda) W2(P_c*, law of T^-1(x)).',
    evidence: 'exact',
    paper: 'Convergence to P_c*, stated without regard to lambda.',
    ours: 'The limit and its distance in closed form: for lambda > 0 the statement is true of another law.',
  }),
  checked(checkSinkhorn, {
    source: 'src/theory/matrix-scaling.ts',
    test: 'test/theory/gradient-flow.test.ts',
    notebook: 'notebooks/06-sinkhorn.ipynb',
    id: 'sinkhorn',
    kind: 'step',
    name: 'Sinkhorn step',
    statement: 'The entropic transport problem is solved by matrix scaling, O(n^2) per iteration, at a linear rate.',
    checked: "Contraction of the potentials in Hilbert's projective metric against tanh(Delta / 4)^2 of the kernel.",
    evidence: 'numerical',
    paper: 'The use of Sinkhorn iterations and their cost per iteration.',
    ours: 'The rate. Times per iteration are measured by `npm run bench -- sinkhorn`.',
  }),
];
