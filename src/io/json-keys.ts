/**
 * The keys of the outermost object of a valid JSON text, repeats included (`JSON.parse` silently keeps the last of
 * repeated keys, which would let a hostile file show two readers two different tensors).
 */
export function topLevelKeys(json: string): string[] {
  const keys: string[] = [];
  let depth = 0;
  for (let at = 0; at < json.length; at++) {
    const character = json[at];
    if (character === '{' || character === '[') depth++;
    else if (character === '}' || character === ']') depth--;
    else if (character === '"') {
      const begin = at;
      at++;
      while (json[at] !== '"') at += json[at] === '\\' ? 2 : 1;
      if (depth === 1 && followedByColon(json, at + 1)) keys.push(JSON.parse(json.slice(begin, at + 1)));
    }
  }
  return keys;
}

function followedByColon(json: string, from: number): boolean {
  let at = from;
  while (json[at] === ' ' || json[at] === '\n' || json[at] === '\r' || json[at] === '\t') at++;
  return json[at] === ':';
}
