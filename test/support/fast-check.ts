import fc from 'fast-check';

// Property tests draw the same cases on every run, so that a red run can be repeated; CER_TEST_SEED draws others.
fc.configureGlobal({ seed: Number(process.env.CER_TEST_SEED ?? 20260226) });
