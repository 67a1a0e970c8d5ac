/**
 * The grammar of JSON (RFC 8259) over bytes, in one pass and without objects. It accepts less than JSON.parse does: deeply
 * nested input is left to the parser.
 *
 * One body at a time: beginScan, any of the others, endScan. All calls happen within one turn, before any other code runs.
 */
/** Objects and arrays within each other. */
const depthMax = 64;

const quote = 0x22;
const comma = 0x2c;
const minus = 0x2d;
const colon = 0x3a;
const openBracket = 0x5b;
const backslash = 0x5c;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const dollar = 0x24;
const firstOfNull = 0x6e;

const tableOf = (holds: (byte: number) => boolean): Uint8Array => Uint8Array.from({ length: 256 }, (_, i) => +holds(i));
/** 1 for each byte that a string may hold unescaped. */
export const isPlainByte = tableOf((byte) => byte >= 0x20 && byte !== quote && byte !== backslash);
export const isBlankByte = tableOf((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d);
const isDigit = tableOf((byte) => byte >= 0x30 && byte <= 0x39);
const isHex = tableOf((byte) => /[0-9A-Fa-f]/.test(String.fromCharCode(byte)));
const isEscape = tableOf((byte) => '"\\/bfnrt'.includes(String.fromCharCode(byte)));
const words: readonly Buffer[] = ['null', 'true', 'false'].map((word) => Buffer.from(word));

// State of the current scan.
const noBytes = new Uint8Array(0);
const noFours = new Int32Array(0);
let bytes: Uint8Array = noBytes;
/** The same memory in words of four bytes, if it is long enough to pay for a second view and is aligned. */
let fours: Int32Array = noFours;
const foursBytesMin = 256;
/** Up to about this length a text ends before looking at several bytes at once pays off. */
const shortTextBytes = 32;
/** The first backslash at or behind the last place asked for; the end of the body where there is none. */
let backslashAt = -1;
/** The open containers, from the outermost: 1 an object, 0 an array. */
const nesting = new Uint8Array(depthMax);

export function beginScan(body: Uint8Array): void {
  bytes = body;
  const hasFours = body.length >= foursBytesMin && body.byteOffset % 4 === 0;
  fours = hasFours ? new Int32Array(body.buffer, body.byteOffset, body.length >> 2) : noFours;
  backslashAt = -1;
}

/** Otherwise the last body would stay in memory until the next scan. */
export function endScan(): void {
  bytes = noBytes;
  fours = noFours;
}

/**
 * Whether UTF-8 is one JSON value that is neither null nor an object that may look like one of the $ wrappers. Also false
 * where only the parser can tell.
 */
export function isPlainValue(value: Uint8Array): boolean {
  const from = blanksEnd(beginWithin(value));
  const first = bytes[from];
  let isPlain = first !== firstOfNull && !(first === openBrace && mayBeWrapper(from));
  if (isPlain) {
    const end = valueEnd(from);
    isPlain = end >= 0 && blanksEnd(end) === bytes.length;
  }
  endScan();
  return isPlain;
}

/** Whether a long UTF-8 text can stand between quotes without escapes; false for short texts. */
export function isPlainText(text: Uint8Array): boolean {
  const from = beginWithin(text);
  const { length } = bytes;
  const isPlain =
    fours !== noFours &&
    placeOf(quote, from) === length &&
    placeOf(backslash, from) === length &&
    hasNoControls(from, length);
  endScan();
  return isPlain;
}

/** Begins a scan of a view that begins anywhere. Returns where it begins within what is scanned. */
function beginWithin(view: Uint8Array): number {
  const aligned = alignedView(view);
  beginScan(aligned);
  return aligned.length - view.length;
}

/** A long view from the word on in which it begins: only those are scanned by words. A short one as it is. */
export function alignedView(view: Uint8Array): Uint8Array {
  const before = view.byteOffset % 4;
  if (before === 0 || view.length < foursBytesMin) return view;
  return new Uint8Array(view.buffer, view.byteOffset - before, view.length + before);
}

/** At an object: whether its first member's name begins with $, or with an escape that may stand for it. */
export function mayBeWrapper(from: number): boolean {
  const name = blanksEnd(from + 1);
  const first = bytes[name + 1];
  return bytes[name] === quote && (first === dollar || first === backslash);
}

export function blanksEnd(from: number): number {
  const each = bytes;
  let at = from;
  while (isBlankByte[each[at]!] === 1) at++;
  return at;
}

// Each of these takes the place where its element begins and returns where it ends; -1: not JSON, or nested too deep.

/** One loop instead of functions that call each other: on this path the calls would cost more than the checks. */
export function valueEnd(from: number): number {
  const each = bytes;
  const blank = isBlankByte;
  const open = nesting;
  let depth = 0;
  let at = from;
  for (;;) {
    let byte = each[at]!;
    if (byte === openBrace || byte === openBracket) {
      if (depth === depthMax) return -1;
      const isObject = byte === openBrace;
      open[depth++] = isObject ? 1 : 0;
      do byte = each[++at]!;
      while (blank[byte] === 1);
      if (byte !== (isObject ? closeBrace : closeBracket)) {
        if (isObject && (at = nameEnd(at)) < 0) return -1;
        continue;
      }
    } else if ((at = leafEnd(at, byte)) < 0) return -1;
    // A value has ended, or the open container is empty: take all closing brackets, then a comma before the next value.
    for (;;) {
      if (depth === 0) return at;
      byte = each[at]!;
      while (blank[byte] === 1) byte = each[++at]!;
      if (byte === comma) break;
      if (byte !== (open[--depth] === 1 ? closeBrace : closeBracket)) return -1;
      at++;
    }
    do byte = each[++at]!;
    while (blank[byte] === 1);
    if (open[depth - 1] === 1 && (at = nameEnd(at)) < 0) return -1;
  }
}

/** Passes a member's name and the colon, to its value. */
function nameEnd(from: number): number {
  if (bytes[from] !== quote) return -1;
  const each = bytes;
  const blank = isBlankByte;
  let at = textEnd(from);
  if (at < 0) return -1;
  while (blank[each[at]!] === 1) at++;
  if (each[at] !== colon) return -1;
  do at++;
  while (blank[each[at]!] === 1);
  return at;
}

/** Passes a literal that begins with `first`. */
function leafEnd(from: number, first: number): number {
  if (first === quote) return textEnd(from);
  if (first === minus || isDigit[first] === 1) return numberEnd(from);
  for (const word of words) {
    if (first === word[0]) return wordEnd(from, word);
  }
  return -1;
}

export function wordEnd(from: number, word: Uint8Array): number {
  const each = bytes;
  for (let i = 0; i < word.length; i++) if (each[from + i] !== word[i]) return -1;
  return from + word.length;
}

function textEnd(from: number): number {
  const each = bytes;
  const plain = isPlainByte;
  let at = from + 1;
  const end = at + shortTextBytes;
  while (at < end && plain[each[at]!] === 1) at++;
  return each[at] === quote ? at + 1 : longTextEnd(at);
}

/** Continues inside a text that is long or has escapes. */
function longTextEnd(from: number): number {
  const end = fours === noFours ? -1 : plainEnd(from);
  if (end >= 0) return end + 1;
  let at = from;
  const each = bytes;
  const plain = isPlainByte;
  for (;;) {
    while ((at & 3) !== 0 && plain[each[at]!] === 1) at++;
    if ((at & 3) === 0) at = skipPlainFours(at);
    while (plain[each[at]!] === 1) at++;
    if (each[at] === quote) return at + 1;
    if (each[at] !== backslash) return -1;
    if (each[at + 1] === 0x75) {
      for (let i = 2; i < 6; i++) if (isHex[each[at + i]!] !== 1) return -1;
      at += 6;
    } else if (isEscape[each[at + 1]!] === 1) at += 2;
    else return -1;
  }
}

/**
 * The end of a long text without escapes, or -1. The search functions find its quote and the next backslash as fast as
 * memchr, so that only control characters are left to look for in between. Takes half the time of looking for all three at
 * once.
 */
function plainEnd(from: number): number {
  // Kept from one text to the next; otherwise each would search all of the remaining body.
  if (backslashAt < from) backslashAt = placeOf(backslash, from);
  const textEnd = placeOf(quote, from);
  return textEnd < backslashAt && hasNoControls(from, textEnd) ? textEnd : -1;
}

/** The end of the body where there is none. Only Buffer's search is fast; it works on any array of bytes. */
function placeOf(byte: number, from: number): number {
  const place = Buffer.prototype.indexOf.call(bytes, byte, from);
  return place < 0 ? bytes.length : place;
}

/** Also false without a word view. */
function hasNoControls(from: number, to: number): boolean {
  const each = fours;
  const last = (to >> 2) - 3;
  if (to >> 2 > each.length) return false;
  let next = from;
  while (next < to && (next & 3) !== 0) if (!isPlainByte[bytes[next++]!]) return false;
  let four = next >> 2;
  // Sixteen bytes at once (see arePlain): a check for each word would cost a third of the time.
  for (; four < last; four += 4) {
    const below =
      lessThanBlank(each[four]!) |
      lessThanBlank(each[four + 1]!) |
      lessThanBlank(each[four + 2]!) |
      lessThanBlank(each[four + 3]!);
    if ((below & 0x80808080) !== 0) return false;
  }
  for (let i = Math.max(next, four << 2); i < to; i++) if (!isPlainByte[bytes[i]!]) return false;
  return true;
}

/** The high bit of each byte that is below a blank. */
function lessThanBlank(four: number): number {
  return (four - 0x20202020) & ~four;
}

/** Skips whole plain words. `from` is a multiple of four. */
function skipPlainFours(from: number): number {
  const each = fours;
  let four = from >> 2;
  while (four < each.length && arePlain(each[four]!)) four++;
  return four << 2;
}

/**
 * Whether none of the four bytes is below a blank, a quote or a backslash (Anderson, Bit Twiddling Hacks: a byte less than
 * n, a zero byte).
 */
function arePlain(four: number): boolean {
  const quotes = four ^ 0x22222222;
  const backslashes = four ^ 0x5c5c5c5c;
  const below = (four - 0x20202020) & ~four;
  return ((below | ((quotes - 0x01010101) & ~quotes) | ((backslashes - 0x01010101) & ~backslashes)) & 0x80808080) === 0;
}

function numberEnd(from: number): number {
  const each = bytes;
  let at = from;
  if (each[at] === minus) at++;
  if (each[at] === 0x30) at++;
  else if ((at = digitsEnd(at)) < 0) return -1;
  if (each[at] === 0x2e && (at = digitsEnd(at + 1)) < 0) return -1;
  if (each[at] !== 0x65 && each[at] !== 0x45) return at;
  at++;
  if (each[at] === 0x2b || each[at] === minus) at++;
  return digitsEnd(at);
}

/** Passes at least one digit. */
function digitsEnd(from: number): number {
  const each = bytes;
  let at = from;
  while (isDigit[each[at]!] === 1) at++;
  return at > from ? at : -1;
}
