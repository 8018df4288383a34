// `node scripts/record-times.cjs RESULTS...`: keeps what the notebooks took in finished runs of `cer reproduce` (folders with
// a summary.json) in bench/notebook-times.json, from which a dry run estimates. Only notebooks that ended well are taken.
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const file = path.join(__dirname, '..', 'bench', 'notebook-times.json');
let times = { seconds: {} };
try {
  times = JSON.parse(fs.readFileSync(file, 'utf8'));
} catch {}
for (const folder of process.argv.slice(2)) {
  const summary = path.join(folder, 'summary.json');
  const { profile, notebooks } = JSON.parse(fs.readFileSync(summary, 'utf8'));
  times.seconds[profile] ??= {};
  for (const { notebook, status, seconds } of notebooks) {
    if (status === 'done') times.seconds[profile][notebook] = Math.round(seconds);
  }
  times.recorded = fs.statSync(summary).mtime.toISOString().slice(0, 10);
}
times.cores = os.availableParallelism();
times.processor = os.cpus()[0].model.trim();
times.node = process.versions.node;
times.about = 'Seconds of each notebook, two at a time, by profile; made by scripts/record-times.cjs.';
const { about, recorded, processor, cores, node, seconds } = times;
fs.writeFileSync(file, `${JSON.stringify({ about, recorded, processor, cores, node, seconds }, null, 2)}\n`);
