// Entry of the processes that make rows: TypeScript is run as it is, as in `bin/cer.cjs`.
require('tsx');
require('../sweep/child.ts').serve(require('./experiments.ts').EXPERIMENTS);
