/** Rows of flags `[rows, tokens]` (1 or 0) as bits, `[rows, ceil(tokens / 8)]`. */
export function packBits(flags: Uint8Array, tokens: number): Uint8Array {
  const bytes = Math.ceil(tokens / 8);
  const out = new Uint8Array((flags.length / tokens) * bytes);
  for (let i = 0; i < flags.length; i++) {
    const token = i % tokens;
    if (flags[i]) out[((i - token) / tokens) * bytes + (token >> 3)] |= 1 << (token & 7);
  }
  return out;
}

/** The inverse of `packBits` for the first `rows` rows: `[rows, tokens]`. */
export function unpackBits(bits: Uint8Array, rows: number, tokens: number): Uint8Array {
  const bytes = Math.ceil(tokens / 8);
  return Uint8Array.from({ length: rows * tokens }, (_, i) => {
    const token = i % tokens;
    return (bits[((i - token) / tokens) * bytes + (token >> 3)] >> (token & 7)) & 1;
  });
}
