import { z } from 'zod';
import { parseOptions } from '../runtime/options';
import type { Configuration } from './configuration';
import type { SweepExperiment } from './experiment';

const schema = z.object({ model: z.enum(['AR', 'MAR']).default('AR') });

export const refinementExperiment: SweepExperiment = {
  name: 'refinement',
  description: 'quality of images of a shipped model under a refinement',
  version: 1,
  objective: { name: 'fid', better: 'lower', label: 'FID (analogue)' },
  cost: { name: 'secondsPerImage', label: 'seconds per image' },
  parse: (given) => parseOptions('the refinement experiment', schema, given) as Configuration,
  inputs: () => '',
  open: async () => {
    throw new Error('not here yet');
  },
};
