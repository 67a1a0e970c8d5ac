/**
 * JSON whose numbers keep what a double would lose: ids of 64 bits, decimals, exponents. JSON.parse of Node 20 gives doubles
 * and nothing else, so such numbers go through it as texts, behind a word that nobody outside this process knows.
 *
 * Most JSON has none of them, and is parsed as ever.
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
/** Sixteen digits, or an exponent, where a number may begin. Rarely within a text, which costs time and no more. */
const mayBeLong = /(?:^|[:,[\s])-?(?:\d[\d.]{15}|[\d.]+[eE])/;
/** Texts are passed over, also one without an end: what stood for a number in it would give it one. */
const textOrNumber = /"(?:[^"\\]|\\[^])*"?|-?\d[\d.]*(?:[eE][-+]?\d+)?/g;
const jsonNumber = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?$/;
const digitsExactMax = 15;

export function hasLongNumbers(text: string): boolean {
  return mayBeLong.test(text);
}

/** As JSON.parse, and takes what it takes; numbers that a double may not hold are LongNumbers. */
export function parseKeepingNumbers(text: string): unknown {
  if (!hasLongNumbers(text)) return JSON.parse(text) as unknown;
  try {
    return JSON.parse(text.replace(textOrNumber, markIfLong), (name, value: unknown) => {
      if (name.startsWith(mark)) throw new SyntaxError('a number cannot be the name of a member');
      return typeof value === 'string' && value.startsWith(mark) ? new LongNumber(value.slice(mark.length)) : value;
    }) as unknown;
  } catch (error) {
    // For its own words about the text as it was sent.
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

/** As JSON.stringify. */
export function stringifyKeepingNumbers(json: unknown): string {
  const text = JSON.stringify(json);
  return text.includes(mark) ? text.replace(marked, '$1') : text;
}
