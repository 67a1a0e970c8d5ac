/**
 * JSON whose numbers keep what a double would lose: 64-bit ids, decimals, exponents. JSON.parse of Node 20 gives only
 * doubles, so such numbers pass through it as texts, behind a marker that nobody outside this process knows.
 *
 * Most JSON has no such numbers and is parsed as usual.
 */
import { systemRandom } from '../../engine/kernel/random.ts';

/** A number as it was written. */
export class LongNumber {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  valueOf(): number {
    return Number(this.#text);
  }

  toJSON(): string {
    return mark + this.#text;
  }
}

const mark = systemRandom.bytes(16).toString('hex');
const marked = new RegExp(`"${mark}([^"]*)"`, 'g');
/** Sixteen digits, or an exponent, where a number may begin. Rarely matches inside a text, which only costs time. */
const mayBeLong = /(?:^|[:,[\s])-?(?:\d[\d.]{15}|[\d.]+[eE])/;
/** Skips texts, including unterminated ones: a marker inserted in one would terminate it. */
const textOrNumber = /"(?:[^"\\]|\\[^])*"?|-?\d[\d.]*(?:[eE][-+]?\d+)?/g;
const jsonNumber = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?$/;
const digitsExactMax = 15;

export function hasLongNumbers(text: string): boolean {
  return mayBeLong.test(text);
}

/** Like JSON.parse, and accepts the same input; numbers that a double may not hold become LongNumbers. */
export function parseKeepingNumbers(text: string): unknown {
  if (!hasLongNumbers(text)) return JSON.parse(text) as unknown;
  try {
    return JSON.parse(text.replace(textOrNumber, markIfLong), (name, value: unknown) => {
      if (name.startsWith(mark)) throw new SyntaxError('a number cannot be the name of a member');
      return typeof value === 'string' && value.startsWith(mark) ? new LongNumber(value.slice(mark.length)) : value;
    }) as unknown;
  } catch (error) {
    // To get the parser's own error message about the text as sent.
    JSON.parse(text);
    if (error instanceof RangeError) throw new SyntaxError('nested too deeply');
    throw error;
  }
}

function markIfLong(token: string): string {
  if (token.startsWith('"') || !jsonNumber.test(token)) return token;
  const isExact = !/[eE]/.test(token) && token.replace(/\D/g, '').length <= digitsExactMax;
  return isExact || String(Number(token)) === token ? token : `"${mark}${token}"`;
}

/** Like JSON.stringify. */
export function stringifyKeepingNumbers(json: unknown): string {
  const text = JSON.stringify(json);
  return text.includes(mark) ? text.replace(marked, '$1') : text;
}
