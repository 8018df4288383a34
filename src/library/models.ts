// Models as functions over parameter maps, with the reference's names: MAR, causal AR, conditional diffusion, autoencoder.
export * from '../models/causal-ar';
export * from '../models/causal-ar-sample';
export * from '../models/cdm';
export * from '../models/cdm-sample';
export * from '../models/classifier';
export * from '../models/conditions';
export * from '../models/diffusion-loss';
export * from '../models/generate';
export * from '../models/mar';
export * from '../models/mar-sample';
export * from '../models/parameters';
export * from '../models/presets';
export * from '../models/presets-load';
export * from '../models/token-sampler';
export * from '../models/vae';
