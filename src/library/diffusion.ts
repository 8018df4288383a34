// Gaussian diffusion on TensorFlow.js: schedules, respacing, losses, samplers, signal and noise.
export * from '../diffusion/gaussian-diffusion';
export * from '../diffusion/noise';
export * from '../diffusion/respacing';
export * from '../diffusion/reverse-step';
export * from '../diffusion/sampler';
export * from '../diffusion/schedule';
export * from '../diffusion/signal-noise';
export * from '../diffusion/training-loss';
