/**
 * The plain shape of a produce body, {"records":[{"key":"text","value":<any JSON>}, …]}, read in one pass over its bytes:
 * keys and values are views of the body, and no object is made of a value only to be written as text again. A value is
 * stored as the JSON text that was sent, so numbers keep digits that a double would lose.
 *
 * All of it is checked against the grammar (RFC 8259). Whatever is not plain is left to the parser and its exact errors
 * (record-json.ts): other members, members named twice, keys with escapes, the $ wrappers, deep nesting, and all that is wrong.
 */
import { isUtf8 } from 'node:buffer';
import type { ProduceRecord } from './produce.ts';

/** Of a value; JSON.parse takes more. */
const depthMax = 64;

const quote = 0x22;
const comma = 0x2c;
const colon = 0x3a;
const openBracket = 0x5b;
const backslash = 0x5c;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const dollar = 0x24;

const tableOf = (holds: (byte: number) => boolean): Uint8Array => Uint8Array.from({ length: 256 }, (_, i) => +holds(i));
/** What a string holds as it is. */
const isPlain = tableOf((byte) => byte >= 0x20 && byte !== quote && byte !== backslash);
const isBlank = tableOf((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d);
const isDigit = tableOf((byte) => byte >= 0x30 && byte <= 0x39);
const isHex = tableOf((byte) => /[0-9A-Fa-f]/.test(String.fromCharCode(byte)));
const isEscape = tableOf((byte) => '"\\/bfnrt'.includes(String.fromCharCode(byte)));
const recordsName = Buffer.from('"records"');
const valueName = Buffer.from('"value"');
const keyName = Buffer.from('"key"');
const words: readonly Buffer[] = ['null', 'true', 'false'].map((word) => Buffer.from(word));

// Of the scan under way, which is over before anybody else runs: locals of one function would be passed through all others.
const noBytes = new Uint8Array(0);
const noFours = new Int32Array(0);
let bytes: Uint8Array = noBytes;
/** The same memory by four bytes, where there is enough of it to pay for a second view, and where it lies so. */
let fours: Int32Array = noFours;
const foursBytesMin = 256;
/** Texts up to about so long are over before it pays to look at more than a byte at once. */
const shortTextBytes = 32;
let at = 0;
/** The first one at or behind where it was last asked for; the end of the body where there is none. */
let backslashAt = -1;

/** At least one record and at most `recordsMax`, as views of `body`; undefined for what is not plain. */
export function scanRecords(body: Uint8Array, recordsMax: number): ProduceRecord[] | undefined {
  if (!isUtf8(body)) return undefined;
  bytes = body;
  const hasFours = body.length >= foursBytesMin && body.byteOffset % 4 === 0;
  fours = hasFours ? new Int32Array(body.buffer, body.byteOffset, body.length >> 2) : noFours;
  at = 0;
  backslashAt = -1;
  const records = scanBody(recordsMax);
  // Or the last body would be held until the next one.
  bytes = noBytes;
  fours = noFours;
  return records;
}

function scanBody(recordsMax: number): ProduceRecord[] | undefined {
  if (!token(openBrace) || !text(recordsName) || !token(colon) || !token(openBracket)) return undefined;
  const records: ProduceRecord[] = [];
  do {
    const record = scanRecord();
    if (!record || records.length === recordsMax) return undefined;
    records.push(record);
  } while (token(comma));
  if (!token(closeBracket) || !token(closeBrace)) return undefined;
  skipBlanks();
  return at === bytes.length ? records : undefined;
}

function scanRecord(): ProduceRecord | undefined {
  if (!token(openBrace)) return undefined;
  let key: Uint8Array | null | undefined;
  let value: Uint8Array | null | undefined;
  do {
    if (value === undefined && text(valueName)) {
      if (!token(colon)) return undefined;
      skipBlanks();
      const from = at;
      if (bytes[at] === openBrace && mayBeWrapper()) return undefined;
      if (!skipValue(0)) return undefined;
      value = at - from === 4 && bytes[from] === 0x6e ? null : bytes.subarray(from, at);
    } else if (key === undefined && text(keyName)) {
      if (!token(colon)) return undefined;
      key = scanKey();
      if (key === undefined) return undefined;
    } else return undefined;
  } while (token(comma));
  return token(closeBrace) ? { key: key ?? null, value: value ?? null } : undefined;
}

/** Text without escapes, or null. */
function scanKey(): Uint8Array | null | undefined {
  skipBlanks();
  if (bytes[at] !== quote) return word(words[0]!) ? null : undefined;
  const from = ++at;
  while (isPlain[bytes[at]!]) at++;
  return bytes[at] === quote ? bytes.subarray(from, at++) : undefined;
}

/** An object whose first member's name begins with $, or with an escape that may stand for it. `at` stays. */
function mayBeWrapper(): boolean {
  let look = at + 1;
  while (isBlank[bytes[look]!]) look++;
  const first = bytes[look + 1];
  return bytes[look] === quote && (first === dollar || first === backslash);
}

function skipBlanks(): void {
  while (isBlank[bytes[at]!]) at++;
}

/** Behind `byte` when it is what comes next; else nothing but blanks is passed. */
function token(byte: number): boolean {
  skipBlanks();
  if (bytes[at] !== byte) return false;
  at++;
  return true;
}

function text(wanted: Buffer): boolean {
  skipBlanks();
  return word(wanted);
}

function word(wanted: Buffer): boolean {
  for (let i = 0; i < wanted.length; i++) if (bytes[at + i] !== wanted[i]) return false;
  at += wanted.length;
  return true;
}

/** Each of these stands at the first byte of what it passes. False: no JSON, or nested too deep. */
function skipValue(depth: number): boolean {
  switch (bytes[at]) {
    case quote:
      return skipString();
    case openBrace:
      return depth < depthMax && skipObject(depth);
    case openBracket:
      return depth < depthMax && skipArray(depth);
    case 0x6e:
      return word(words[0]!);
    case 0x74:
      return word(words[1]!);
    case 0x66:
      return word(words[2]!);
    default:
      return skipNumber();
  }
}

function skipObject(depth: number): boolean {
  at++;
  if (token(closeBrace)) return true;
  do {
    skipBlanks();
    if (bytes[at] !== quote || !skipString() || !token(colon)) return false;
    skipBlanks();
    if (!skipValue(depth + 1)) return false;
  } while (token(comma));
  return token(closeBrace);
}

function skipArray(depth: number): boolean {
  at++;
  if (token(closeBracket)) return true;
  do {
    skipBlanks();
    if (!skipValue(depth + 1)) return false;
  } while (token(comma));
  return token(closeBracket);
}

function skipString(): boolean {
  // Nearly all bytes of a body pass here and below: locals, or each byte would cost a load and a store.
  const from = bytes;
  const plain = isPlain;
  let next = at + 1;
  const end = next + shortTextBytes;
  while (next < end && plain[from[next]!] === 1) next++;
  if (from[next] !== quote) return skipLongString(next);
  at = next + 1;
  return true;
}

/** The rest of a text that is long, or has escapes. */
function skipLongString(start: number): boolean {
  const end = plainEnd(start);
  if (end >= 0) {
    at = end + 1;
    return true;
  }
  let next = start;
  const from = bytes;
  const plain = isPlain;
  for (;;) {
    while ((next & 3) !== 0 && plain[from[next]!] === 1) next++;
    if ((next & 3) === 0) next = skipPlainFours(next);
    while (plain[from[next]!] === 1) next++;
    if (from[next] === quote) {
      at = next + 1;
      return true;
    }
    if (from[next] !== backslash) return false;
    if (from[next + 1] === 0x75) {
      for (let i = 2; i < 6; i++) if (!isHex[from[next + i]!]) return false;
      next += 6;
    } else if (isEscape[from[next + 1]!]) next += 2;
    else return false;
  }
}

/**
 * Where a long text ends that is plain to its end, or -1: its quote and the next backslash are found as memchr finds them, and
 * of what lies between only control characters are left to look for. Half the time of looking for all three at once.
 */
function plainEnd(from: number): number {
  // Kept from one text to the next, or each would go through all that is left of the body.
  if (backslashAt < from) backslashAt = placeOf(backslash, from);
  const end = placeOf(quote, from);
  return end < backslashAt && hasNoControls(from, end) ? end : -1;
}

/** The end of the body where there is none. The search of a Buffer, which any array of bytes may use, is the only quick one. */
function placeOf(byte: number, from: number): number {
  const place = Buffer.prototype.indexOf.call(bytes, byte, from);
  return place < 0 ? bytes.length : place;
}

/** `from` lies within a text: what a four has before it is known to be plain. False where there are no fours, too. */
function hasNoControls(from: number, end: number): boolean {
  const each = fours;
  const last = (end >> 2) - 3;
  if (end >> 2 > each.length) return false;
  let four = from >> 2;
  // By sixteen bytes at once (see arePlain): a check for each four would be a third of the time.
  for (; four < last; four += 4) {
    const below =
      lessThanBlank(each[four]!) |
      lessThanBlank(each[four + 1]!) |
      lessThanBlank(each[four + 2]!) |
      lessThanBlank(each[four + 3]!);
    if ((below & 0x80808080) !== 0) return false;
  }
  for (let i = Math.max(from, four << 2); i < end; i++) if (!isPlain[bytes[i]!]) return false;
  return true;
}

/** The high bit of each byte that is below a blank. */
function lessThanBlank(four: number): number {
  return (four - 0x20202020) & ~four;
}

/** Behind what is plain by whole fours. `from` is a multiple of four. */
function skipPlainFours(from: number): number {
  const each = fours;
  let four = from >> 2;
  while (four < each.length && arePlain(each[four]!)) four++;
  return four << 2;
}

/** None of the four bytes is below a blank, a quote or a backslash (Anderson, Bit Twiddling Hacks: a byte less than n, a zero byte). */
function arePlain(four: number): boolean {
  const quotes = four ^ 0x22222222;
  const backslashes = four ^ 0x5c5c5c5c;
  const below = (four - 0x20202020) & ~four;
  return ((below | ((quotes - 0x01010101) & ~quotes) | ((backslashes - 0x01010101) & ~backslashes)) & 0x80808080) === 0;
}

function skipDigits(): boolean {
  const from = at;
  while (isDigit[bytes[at]!]) at++;
  return at > from;
}

function skipNumber(): boolean {
  if (bytes[at] === 0x2d) at++;
  if (bytes[at] === 0x30) at++;
  else if (!skipDigits()) return false;
  if (bytes[at] === 0x2e) {
    at++;
    if (!skipDigits()) return false;
  }
  if (bytes[at] !== 0x65 && bytes[at] !== 0x45) return true;
  at++;
  if (bytes[at] === 0x2b || bytes[at] === 0x2d) at++;
  return skipDigits();
}
