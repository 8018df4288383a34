/** The part of the protocol-buffers wire format that an ONNX file needs, as a growing list of bytes. */
export class ProtobufWriter {
  private readonly parts: Uint8Array[] = [];
  private length = 0;

  /** Writes an integer field (wire type 0); negative numbers take ten bytes, as the format prescribes. */
  integer(field: number, value: number | bigint): this {
    return this.append(varint(BigInt(field) << 3n)).append(varint(BigInt.asUintN(64, BigInt(value))));
  }

  /** Writes a float field (wire type 5). */
  float(field: number, value: number): this {
    return this.append(varint((BigInt(field) << 3n) | 5n)).append(new Uint8Array(new Float32Array([value]).buffer));
  }

  /** Writes text, bytes or a nested message (wire type 2). */
  bytes(field: number, value: string | Uint8Array | ProtobufWriter): this {
    const parts: readonly Uint8Array[] =
      typeof value === 'string' ? [Buffer.from(value)] : value instanceof ProtobufWriter ? value.parts : [value];
    const length = parts.reduce((sum, part) => sum + part.byteLength, 0);
    this.append(varint((BigInt(field) << 3n) | 2n)).append(varint(BigInt(length)));
    for (const part of parts) this.append(part); // not copied before the whole message is
    return this;
  }

  /** The message so far. */
  finish(): Uint8Array {
    if (this.parts.length === 1) return this.parts[0];
    const whole = new Uint8Array(this.length);
    let at = 0;
    for (const part of this.parts) {
      whole.set(part, at);
      at += part.byteLength;
    }
    return whole;
  }

  private append(part: Uint8Array): this {
    this.parts.push(part);
    this.length += part.byteLength;
    return this;
  }
}

function varint(value: bigint): Uint8Array {
  const out: number[] = [];
  let rest = value;
  while (rest > 127n) {
    out.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  out.push(Number(rest));
  return Uint8Array.from(out);
}
