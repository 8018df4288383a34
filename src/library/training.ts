// Training: AdamW, EMA, schedules, the step compiled, the loop with exact resume, checkpoints.
export * from '../training/checkpoint';
export * from '../training/compiled-step';
export * from '../training/ema';
export * from '../training/loop';
export * from '../training/optimizer';
export * from '../training/schedule';
export * from '../training/step';
export * from '../training/tasks';
export * from '../training/trained-model';
