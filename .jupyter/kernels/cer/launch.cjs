// The notebooks' kernel: the project's own tslab, started in the project folder wherever the clone is, with four
// additions: modules of the project are loaded as they are (not type-checked and compiled again for every notebook), a
// failing cell sends a real Jupyter error, a cell ends only when the pictures that it asked for are drawn, and an
// interrupt stops a cell that computes without a pause or waits in a loop.
const fs = require('node:fs');
const path = require('node:path');
const util = require('node:util');
const vm = require('node:vm');
const { Worker } = require('node:worker_threads');

const root = path.join(__dirname, '..', '..', '..');
process.chdir(root);
endWithParent();

const problem = require(path.join(root, 'scripts', 'check-machine.cjs')).checkMachine();
if (problem) {
  console.error(problem);
  process.exit(3);
}

try {
  require('tsx/cjs');
  require.resolve('tslab');
} catch {
  console.error(`The packages are not installed. Run \`npm run setup\` in ${root}.`);
  process.exit(3);
}

checkOnlyCells(require.resolve('@tslab/typescript-for-tslab', { paths: [require.resolve('tslab')] }));

const { createConverter } = require('tslab/dist/converter.js');
const { createExecutor } = require('tslab/dist/executor.js');
const { JupyterHandlerImpl, ZmqServer } = require('tslab/dist/jupyter.js');
const { TaskCanceledError } = require('tslab/dist/util.js');
const { CellErrors } = require('./cell-errors.cjs');
const cellTimers = require('./cell-timers.cjs');
const { Interrupts } = require('./interrupts.cjs');
const { forgetChangedModules } = require('./modules.cjs');

const errors = new CellErrors(root);
const converters = {
  node: createConverter({ isJS: false, isBrowser: false }),
  get browser() {
    return this.node; // a browser cell needs a bundler that this project has no use for
  },
  close() {
    this.node.close();
  },
};
const executor = createExecutor(root, converters, { log: logValue, error: (...parts) => errors.add(...parts) });
const interrupts = new Interrupts(() => executor.interrupt());
const { runInThisContext } = vm;
vm.runInThisContext = (code) => runInThisContext(code); // tslab's own handling of SIGINT would take ours away

const convert = converters.node.convert;
converters.node.convert = (previous, code) => {
  interrupts.allow(false); // a compiler stopped half-way does not work again
  const converted = errors.remember(convert(previous, code));
  interrupts.allow(true);
  return converted;
};

const STOPPED = { name: 'Interrupted', message: 'the cell was stopped; what earlier cells made is still there' };
const executeCell = executor.execute;
executor.execute = async (code) => {
  errors.clear();
  cellTimers.begin();
  forgetChangedModules(path.join(root, 'src'));
  const ok = await interrupts.race(async () => {
    const good = await executeCell(code);
    for (const work of [...(globalThis.cerPending ?? [])]) await work.catch((error) => errors.add(error));
    return good;
  });
  if (ok === undefined) {
    cellTimers.stop();
    globalThis.cerPending?.clear(); // what it waited for may never come
  }
  // A promise that nobody awaited has been rejected: that is reported a turn of the event loop later.
  await new Promise((resolve) => setImmediate(resolve));
  if (ok === undefined) errors.replace(STOPPED);
  return Boolean(ok) && errors.none();
};

/** Prints the value of a cell's last expression; a promise says nothing to a reader (the cell waits for it anyway). */
function logValue(value) {
  if (!util.types.isPromise(value)) console.log(value);
}

/** As `cer notebooks --execute` writes it, so that opening and saving a notebook changes nothing in the file. */
const LANGUAGE = { file_extension: '.ts', mimetype: 'text/typescript', name: 'typescript' };

class Handler extends JupyterHandlerImpl {
  handleKernel() {
    return { ...super.handleKernel(), language_info: LANGUAGE };
  }

  async handleExecute(request, writeStream, writeDisplayData) {
    try {
      const count = await this.execQueue.add(() => this.handleExecuteImpl(request, writeStream, writeDisplayData));
      return { status: 'ok', execution_count: count.count };
    } catch (problem) {
      if (problem instanceof TaskCanceledError) return { status: 'aborted' };
      if (errors.none()) errors.add(problem); // thrown by the compiler or the kernel itself, not by the cell
      // For a moment after a failure, cells that were queued behind it are dropped, unless the client wants them run.
      this.execQueue.reset(request.stop_on_error === false ? undefined : 200);
      return { status: 'error', execution_count: this.execCount, ...errors.message() };
    }
  }
}

class Server extends ZmqServer {
  async handleExecute(socket, request) {
    const reply = request.createReply();
    const publish = (type, content) => {
      const message = request.createReply();
      message.header.msg_type = type;
      message.content = content;
      message.signAndSend(this.connInfo.key, this.iopub);
    };
    const content = await this.handler.handleExecute(
      request.content,
      (name, text) => publish('stream', { name, text }),
      (data, update) => publish(update ? 'update_display_data' : 'display_data', data),
    );
    if (content.status === 'error') {
      const { ename, evalue, traceback } = content;
      publish('error', { ename, evalue, traceback });
    }
    reply.header.msg_type = 'execute_reply';
    reply.content = content;
    reply.signAndSend(this.connInfo.key, socket);
  }

  close() {
    super.close();
    setTimeout(() => process.exit(0), 50); // the reply leaves first; a running Chromium ends with this process
  }
}

/**
 * Type-checks and compiles the cell alone. The project's modules still give their types to hovers, completions and the
 * cell's own checks, but Node loads them itself through tsx, once and cached. Packages are not watched for changes.
 * @param compiler path of tslab's TypeScript, which must not be loaded yet by tslab.
 */
function checkOnlyCells(compiler) {
  const ts = require(compiler);
  const createWatchProgram = (host) => {
    const created = host.afterProgramCreate;
    host.afterProgramCreate = (builder) => {
      const dependencies = builder.getAllDependencies.bind(builder);
      builder.getAllDependencies = (file) =>
        dependencies(file).filter((name) => name === file.fileName || !fs.existsSync(name));
      created(builder);
    };
    return ts.createWatchProgram(host);
  };
  const createWatchCompilerHost = (files, options, ...rest) =>
    ts.createWatchCompilerHost(files, { ...options, types: ['node'] }, ...rest); // not every @types there is
  require.cache[compiler].exports = { ...ts, createWatchProgram, createWatchCompilerHost }; // ts has getters only
  const unwatched = { close() {} };
  const { watchFile } = ts.sys;
  ts.sys.watchFile = (name, ...rest) => (name.includes('/node_modules') ? unwatched : watchFile(name, ...rest));
  // A file made or removed while a cell runs starts a second timer of the compiler, which tslab cannot have.
  ts.sys.watchDirectory = () => unwatched;
}

process.on('uncaughtException', (error) => errors.add(error));
process.on('unhandledRejection', (reason) => {
  if (reason?.name !== 'InterruptedError') errors.add(reason); // of a loop whose cell was stopped before
});
new Server(new Handler(executor, false), process.argv[2]).init();

/**
 * Ends the kernel when the program that started it is gone, also while a cell computes without a pause: hence a thread.
 * Chromium, which hangs on a pipe of this process, then ends as well.
 */
function endWithParent() {
  // Jupyter names the starter, which may be gone before this line runs: then another process is the parent already.
  const watch = `const first = process.ppid;
    const starter = Number(process.env.JPY_PARENT_PID) || first;
    const alive = (pid) => { try { return process.kill(pid, 0); } catch (error) { return error.code === 'EPERM'; } };
    const gone = () => process.ppid !== first || (first !== starter && !alive(starter));
    setInterval(() => gone() && process.kill(process.pid, 'SIGKILL'), 500);`;
  new Worker(watch, { eval: true }).unref();
}
