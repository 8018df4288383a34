/** A number for people: `digits` significant ones, no exponent where it can be avoided, a real minus sign. */
export function readable(value: number, digits = 3): string {
  if (!Number.isFinite(value)) return value > 0 ? 'infinite' : 'undefined';
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e6)) {
    const [mantissa, exponent] = value.toExponential(digits - 1).split('e');
    return minus(`${mantissa} × 10`) + raised(Number(exponent));
  }
  return minus(size >= 10 ** digits ? value.toFixed(0) : String(Number(value.toPrecision(digits))));
}

/** The same with its sign, for differences. */
export function signed(value: number, digits = 3): string {
  return value > 0 ? `+${readable(value, digits)}` : readable(value, digits);
}

const RAISED = '⁰¹²³⁴⁵⁶⁷⁸⁹';

function raised(exponent: number): string {
  return (exponent < 0 ? '⁻' : '') + Array.from(String(Math.abs(exponent)), (digit) => RAISED[Number(digit)]).join('');
}

const minus = (text: string) => text.replaceAll('-', '−');
