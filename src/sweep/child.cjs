// Entry of the processes of a sweep: TypeScript is run as it is, as in `bin/cer.cjs`.
require('tsx');
require('./child.ts').serve();
