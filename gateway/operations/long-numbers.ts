/**
 * JSON whose numbers keep what a double would lose: 64-bit ids, decimals, exponents. JSON.parse of Node 20 gives only
 * doubles, so such numbers pass through it as texts, behind a marker that nobody outside this process knows.
 *
 * Most JSON has no such numbers and is parsed as usual.
 */
import { InvalidRequest } from '../../engine/kernel/failure.ts';
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
const jsonNumber = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?$/;
const digitsExactMax = 15;

/**
 * What doors accept in one JSON text, some 50 ms of work in one turn of the event loop: each becomes an object and is
 * written as text again. Plain numbers cost a hundredth.
 */
export const longNumbersMax = 50_000;

export class TooManyLongNumbers extends InvalidRequest {
  constructor() {
    super(
      'records',
      `more than ${longNumbersMax} numbers that a double cannot hold, or with an exponent, in one JSON text`,
    );
  }
}

export function hasLongNumbers(text: string): boolean {
  return mayBeLong.test(text);
}

/**
 * Like JSON.parse, and accepts the same input; numbers that a double may not hold become LongNumbers. Throws
 * TooManyLongNumbers when there are more than `longMax` of them.
 */
export function parseKeepingNumbers(text: string, longMax = Infinity): unknown {
  if (!hasLongNumbers(text)) return JSON.parse(text) as unknown;
  const markedText = markLongNumbers(text, longMax);
  try {
    return unmarked(JSON.parse(markedText));
  } catch (error) {
    // To get the parser's own error message about the text as sent.
    JSON.parse(text);
    if (error instanceof RangeError) throw new SyntaxError('nested too deeply');
    throw error;
  }
}

const quote = 0x22;
const minus = 0x2d;
const backslash = 0x5c;

/** A loop and no pattern with a callback for each text and number, which takes ten times as long. */
function markLongNumbers(text: string, longMax: number): string {
  const parts: string[] = [];
  let copied = 0;
  let count = 0;
  for (let at = 0; at < text.length; ) {
    const code = text.charCodeAt(at);
    if (code === quote) at = behindText(text, at);
    else if (code !== minus && !isDigit(code)) at++;
    else {
      const end = behindNumber(text, at);
      if (mustKeep(text, at, end)) {
        if (++count > longMax) throw new TooManyLongNumbers();
        parts.push(text.slice(copied, at), `"${mark}`, text.slice(at, end), '"');
        copied = end;
      }
      at = end;
    }
  }
  return parts.length === 0 ? text : parts.join('') + text.slice(copied);
}

/** An unterminated text ends with the input: a mark in one would terminate it. */
function behindText(text: string, from: number): number {
  for (let at = from + 1; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === quote) return at + 1;
    if (code === backslash) at++;
  }
  return text.length;
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

function isOfNumber(code: number): boolean {
  // . + - e E
  return isDigit(code) || code === 0x2e || code === 0x2b || code === minus || code === 0x65 || code === 0x45;
}

function behindNumber(text: string, from: number): number {
  let at = from + 1;
  while (at < text.length && isOfNumber(text.charCodeAt(at))) at++;
  return at;
}

function mustKeep(text: string, from: number, end: number): boolean {
  let hasExponent = false;
  for (let at = from; at < end && !hasExponent; at++) hasExponent = (text.charCodeAt(at) | 0x20) === 0x65;
  if (!hasExponent && end - from <= digitsExactMax) return false;
  const token = text.slice(from, end);
  if (!jsonNumber.test(token)) return false;
  const isExact = !hasExponent && token.replace(/\D/g, '').length <= digitsExactMax;
  return !isExact && String(Number(token)) !== token;
}

/** A walk and no reviver, which JSON.parse calls for every value and name. */
function unmarked(json: unknown): unknown {
  if (typeof json === 'string') return json.startsWith(mark) ? new LongNumber(json.slice(mark.length)) : json;
  if (typeof json !== 'object' || json === null) return json;
  if (Array.isArray(json)) {
    for (let i = 0; i < json.length; i++) {
      const value: unknown = json[i];
      if (typeof value === 'string' || typeof value === 'object') json[i] = unmarked(value);
    }
    return json;
  }
  // JSON.parse makes members of the object's own, so that this writes to none of its prototype.
  const members = json as Record<string, unknown>;
  for (const name in members) {
    if (name.startsWith(mark)) throw new SyntaxError('a number cannot be the name of a member');
    members[name] = unmarked(members[name]);
  }
  return json;
}

/** Like JSON.stringify. */
export function stringifyKeepingNumbers(json: unknown): string {
  const text = JSON.stringify(json);
  return text.includes(mark) ? text.replace(marked, '$1') : text;
}

/** For texts of clients. */
export function parseKeepingFewNumbers(text: string): unknown {
  return parseKeepingNumbers(text, longNumbersMax);
}
