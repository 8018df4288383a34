/** A JSON value whose objects are maps: in the order of the text, and with no special names. */
export type Json = null | boolean | number | string | Json[] | Map<string, Json>;

/** What a text may hold: values in all, levels of nesting, characters of a name. */
export interface JsonLimits {
  values: number;
  depth: number;
  name: number;
}

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const WORDS: [string, Json][] = [
  ['true', true],
  ['false', false],
  ['null', null],
];

/**
 * Parses a JSON text from an untrusted file. Where `JSON.parse` keeps the last of repeated names (so that two
 * readers may see two different tensors), puts names that look like integers first, and builds any number of values, this
 * refuses the first, keeps the order, and stops at the limits.
 * @throws SyntaxError saying what is wrong and where
 */
export function parseJson(text: string, limits: JsonLimits): Json {
  let at = 0;
  let values = 0;
  const fail = (what: string) => new SyntaxError(`${what} at character ${at}`);
  const skip = () => {
    while (text[at] === ' ' || text[at] === '\n' || text[at] === '\r' || text[at] === '\t') at++;
  };
  /** Whether the next character is `character`, which is then taken. */
  const next = (character: string) => {
    skip();
    if (text[at] !== character) return false;
    at++;
    return true;
  };
  const need = (character: string) => {
    if (!next(character)) throw fail(`no ${character}`);
  };
  const string = (longest = Number.POSITIVE_INFINITY): string => {
    need('"');
    const begin = at - 1;
    for (; text[at] !== '"'; at += text[at] === '\\' ? 2 : 1) {
      if (at >= text.length) throw fail('a text without an end');
      if (at - begin > longest) throw fail(`a name of more than ${longest} characters`);
    }
    at++;
    return JSON.parse(text.slice(begin, at));
  };
  const value = (depth: number): Json => {
    if (++values > limits.values) throw fail(`more than ${limits.values} values`);
    if (depth > limits.depth) throw fail(`values more than ${limits.depth} levels deep`);
    if (next('{')) {
      const object = new Map<string, Json>();
      if (next('}')) return object;
      do {
        const name = string(limits.name);
        if (object.has(name)) throw fail(`the name ${JSON.stringify(name)} twice`);
        need(':');
        object.set(name, value(depth + 1));
      } while (next(','));
      need('}');
      return object;
    }
    if (next('[')) {
      const list: Json[] = [];
      if (next(']')) return list;
      do list.push(value(depth + 1));
      while (next(','));
      need(']');
      return list;
    }
    skip();
    if (text[at] === '"') return string();
    const word = WORDS.find(([start]) => text.startsWith(start, at));
    NUMBER.lastIndex = at;
    const found = word?.[0] ?? NUMBER.exec(text)?.[0];
    if (found === undefined) throw fail('no value');
    at += found.length;
    return word ? word[1] : Number(found);
  };
  const result = value(0);
  skip();
  if (at < text.length) throw fail('more text after the value');
  return result;
}
