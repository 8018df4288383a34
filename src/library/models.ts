// Models as functions over parameter maps, with the reference's names: MAR, causal AR, conditional diffusion, autoencoder.
export * from '../models/ar/causal-ar';
export * from '../models/ar/causal-ar-sample';
export * from '../models/blocks/diffusion-loss';
export * from '../models/cdm/cdm';
export * from '../models/cdm/cdm-sample';
export * from '../models/conditions';
export * from '../models/features/classifier';
export * from '../models/files/presets-load';
export * from '../models/image-model';
export * from '../models/make-image-model';
export * from '../models/mar/mar';
export * from '../models/mar/mar-sample';
export * from '../models/presets';
export * from '../models/sample-step';
export * from '../models/token-sampler';
export * from '../models/vae/vae';
export * from '../runtime/parameters';
