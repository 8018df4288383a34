const path = require('node:path');
const util = require('node:util');

/** Collects what goes wrong in a cell and says it as Jupyter's `error` message: the error's text, where, and through what. */
class CellErrors {
  constructor(root) {
    this.root = root;
    this.clear();
  }

  clear() {
    this.found = [];
    this.lines = [];
  }

  none() {
    return this.found.length === 0;
  }

  /** Keeps the compiled cell, whose lines the error's stack refers to. */
  remember(converted) {
    this.lines = (converted.output ?? '').split('\n');
    return converted;
  }

  /** Takes a thrown value, or tslab's format string and parts for a message of the compiler. */
  add(first, ...parts) {
    if (parts.length > 0) this.found.push({ name: 'TypeScript', text: util.format(first, ...parts).trim(), stack: [] });
    else this.found.push(this.describe(first));
  }

  /** Says one thing alone, whatever else was found. */
  replace({ name, message }) {
    this.found = [{ name, text: message, stack: [] }];
  }

  describe(thrown) {
    if (!(thrown && typeof thrown === 'object' && typeof thrown.stack === 'string')) {
      return { name: 'Error', text: typeof thrown === 'string' ? thrown : util.inspect(thrown), stack: [] };
    }
    const name = thrown.name || 'Error';
    const text = thrown.message || String(thrown);
    const frames = thrown.stack.split('\n').filter((line) => /^\s+at /.test(line));
    return { name, text, stack: frames.map((frame) => this.place(frame)).filter(Boolean) };
  }

  /** A stack frame for readers: the cell's own line, or a file of the project; nothing for the machinery between. */
  place(frame) {
    const cell = /evalmachine\.<anonymous>:(\d+):\d+/.exec(frame);
    if (cell) {
      const line = (this.lines[Number(cell[1]) - 1] ?? '').trim();
      const readable = line
        .replace(/\(0, \w+\.(\w+)\)/g, '$1')
        .replace(/\b(exports|\w+_\d+)\./g, '')
        .replace(/^tsLastExpr\d* = /, '');
      return readable ? `in the cell: ${readable}` : undefined;
    }
    const file = /\(?((?:file:\/\/)?[^()\s]+:\d+:\d+)\)?$/.exec(frame)?.[1].replace('file://', '');
    if (!file?.startsWith(this.root) || /node_modules|[\\/]\.jupyter[\\/]/.test(file)) return undefined;
    const called = /at (?:async )?([\w.<>$ ]+) \(/.exec(frame)?.[1];
    return `${called ? `${called} ` : ''}(${path.relative(this.root, file)})`;
  }

  /** Everything found, as the content of an `error` message. */
  message() {
    const [first = { name: 'Error', text: 'the cell failed without a message', stack: [] }] = this.found;
    const all = this.found.length > 0 ? this.found : [first];
    return {
      ename: first.name,
      evalue: all.map(({ text }) => text).join('\n'),
      traceback: all.flatMap(({ name, text, stack }) => [
        `\u001b[31m${name}\u001b[0m: ${text}`,
        ...[...new Set(stack)].map((line) => `    ${line}`),
      ]),
    };
  }
}

module.exports = { CellErrors };
