import { appendFileSync } from 'node:fs';
import { z } from 'zod';
import { NumericalError } from '../runtime/errors';
import { parseOptions } from '../runtime/options';
import { foldIn, key, normal } from '../runtime/random';
import type { Configuration } from './configuration';
import type { SweepExperiment } from './types';

/** Names a file that every run adds a line to: shows what was run how often. No part of a configuration, which may come from elsewhere. */
export const JOURNAL = 'CER_TOY_JOURNAL';

const schema = z.strictObject({
  x: z.number().default(0),
  y: z.number().default(0),
  /** Strength of the interaction: the loss has the term `coupling * x * y`. */
  coupling: z.number().default(0),
  /** Standard deviation of what the seed adds: a part shared by all configurations of a seed, and a tenth of it of its own. */
  noise: z.number().min(0).default(0),
  /** How long a run takes. */
  milliseconds: z.number().min(0).max(600_000).default(0),
  fails: z.boolean().default(false),
  /** A word that changes nothing. */
  label: z.string().max(40).default(''),
});

/** loss = (x - 1)^2 + (y + 2)^2 + coupling x y + noise: every effect and interaction is known, and a run takes no time. */
export const toyExperiment: SweepExperiment = {
  name: 'toy',
  description: 'a quadratic loss in two knobs with known effects: for tests, and to try a sweep file',
  version: 1,
  objective: { name: 'loss', better: 'lower', label: 'loss' },
  cost: { name: 'cost', label: 'cost |x| + |y|' },
  parse: (given) => parseOptions('the toy experiment', schema, given) as Configuration,
  inputs: () => '',
  open: async () => async (configuration, seed) => {
    const { x, y, coupling, noise, milliseconds, fails } = schema.parse(configuration);
    const journal = process.env[JOURNAL];
    if (journal) appendFileSync(journal, `${x} ${y} ${seed}\n`);
    if (milliseconds > 0) await new Promise((resolve) => setTimeout(resolve, milliseconds));
    if (fails) {
      throw new NumericalError('Toy experiment', {
        given: 'fails = true',
        expected: 'false',
        remedy: 'Leave it out: it is there to see a row fail.',
      });
    }
    const shared = normal(key(seed), 1)[0];
    const own = normal(foldIn(key(seed), `${x} ${y} ${coupling}`), 1)[0];
    const loss = (x - 1) ** 2 + (y + 2) ** 2 + coupling * x * y + noise * (shared + 0.1 * own);
    return { loss, cost: Math.abs(x) + Math.abs(y) };
  },
};
