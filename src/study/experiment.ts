import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { variantFolder } from '../recipes/variants';
import { leaves } from '../sweep/configuration';
import type { SweepExperiment } from '../sweep/types';
import { checkpointFolder } from '../training/trained-model';
import { CONTROL_METHODS, FINE_TUNED_METHODS, PAPER_METHODS, RIVAL_METHODS } from './methods';
import { runConfiguration, runJson } from './run-configuration';

/** Hashes of weights by path, as every row of a sweep asks for some; good for as long as the file is the same by `stamp`. */
const hashes = new Map<string, { stamp: string; hash: string }>();

/** The start of a file's SHA-256; `absent` where there is none, so that the row fails with a message and can be made later. */
function hashOf(file: string): string {
  const found = statSync(file, { throwIfNoEntry: false, bigint: true });
  if (!found) return 'absent';
  const stamp = `${found.ino} ${found.size} ${found.mtimeNs} ${found.ctimeNs}`;
  const known = hashes.get(resolve(file));
  if (known?.stamp === stamp) return known.hash;
  const hash = createHash('sha256').update(readFileSync(file)).digest('hex').slice(0, 16);
  hashes.set(resolve(file), { stamp, hash });
  return hash;
}

/** Images of a trained model under a refinement, or none, and everything that is measured on them: a row of Tables 1 to 3 or of an ablation. */
export const refinementExperiment: SweepExperiment = {
  name: 'refinement',
  description: 'quality of the images of a trained model under a refinement, a baseline method or neither',
  version: 1,
  objective: { name: 'fid', better: 'lower', label: 'FID (analogue)' },
  cost: { name: 'megaflopsPerImage', label: 'MFLOP per image' }, // counted: times depend on what else runs
  parse: (given) => runJson(runConfiguration(given)),
  knobs: () => {
    const methods = [...PAPER_METHODS, ...RIVAL_METHODS, ...CONTROL_METHODS, ...FINE_TUNED_METHODS];
    return methods.flatMap(({ options }) => [...leaves(runJson(runConfiguration(options))).keys()]);
  },
  paths: ({ checkpoints }) => [checkpoints as string],
  inputs: (configuration) => {
    const { model, training, checkpoints } = runConfiguration(configuration);
    const weights = join(variantFolder(training, checkpoints), `${model.toLowerCase()}.safetensors`);
    const folder = checkpointFolder(checkpoints);
    const files = [join(folder, 'vae.safetensors'), join(folder, 'classifier.safetensors'), weights];
    return files.map(hashOf).join(' ');
  },
  seconds: (configuration) => {
    const { images, training } = runConfiguration(configuration);
    return 0.015 * images * (training.resolution / 32) ** 2;
  },
  megabytes: () => 850, // resident size of a process after some rows at 32 pixels
  open: async () => {
    const { Runner } = await import('./measured-run');
    const maker = new Runner();
    return (configuration, seed) => maker.run(runConfiguration(configuration), seed);
  },
};
