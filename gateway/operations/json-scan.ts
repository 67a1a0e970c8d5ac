/**
 * The grammar of JSON (RFC 8259) over bytes, in one pass and without objects. It takes less than JSON.parse does: what is nested
 * deep is the parser's.
 *
 * One body at a time: beginScan, any of the others, endScan. All of it is over before anybody else runs.
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
/** 1 for what a string holds as it is. */
export const isPlainByte = tableOf((byte) => byte >= 0x20 && byte !== quote && byte !== backslash);
export const isBlankByte = tableOf((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d);
const isDigit = tableOf((byte) => byte >= 0x30 && byte <= 0x39);
const isHex = tableOf((byte) => /[0-9A-Fa-f]/.test(String.fromCharCode(byte)));
const isEscape = tableOf((byte) => '"\\/bfnrt'.includes(String.fromCharCode(byte)));
const words: readonly Buffer[] = ['null', 'true', 'false'].map((word) => Buffer.from(word));

// Of the scan under way.
const noBytes = new Uint8Array(0);
const noFours = new Int32Array(0);
let bytes: Uint8Array = noBytes;
/** The same memory by four bytes, where there is enough of it to pay for a second view, and where it lies so. */
let fours: Int32Array = noFours;
const foursBytesMin = 256;
/** Texts up to about so long are over before it pays to look at more than a byte at once. */
const shortTextBytes = 32;
/** The first one at or behind where it was last asked for; the end of the body where there is none. */
let backslashAt = -1;
/** Of what is open, from the outermost: 1 an object, 0 an array. */
const nesting = new Uint8Array(depthMax);

export function beginScan(body: Uint8Array): void {
  bytes = body;
  const hasFours = body.length >= foursBytesMin && body.byteOffset % 4 === 0;
  fours = hasFours ? new Int32Array(body.buffer, body.byteOffset, body.length >> 2) : noFours;
  backslashAt = -1;
}

/** Or the last body would be held until the next one. */
export function endScan(): void {
  bytes = noBytes;
  fours = noFours;
}

/**
 * Whether UTF-8 is one JSON value that is neither null nor an object that may look like one of the $ wrappers. False also where
 * only the parser can tell.
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

/** Whether a long UTF-8 text can stand between quotes as it is; false of short ones. */
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

/** As beginScan, of a view that begins anywhere: a long one is looked at from the whole four in which it begins. Where it begins. */
function beginWithin(view: Uint8Array): number {
  const before = view.byteOffset % 4;
  if (before === 0 || view.length < foursBytesMin) {
    beginScan(view);
    return 0;
  }
  beginScan(new Uint8Array(view.buffer, view.byteOffset - before, view.length + before));
  return before;
}

/** At an object: its first member's name begins with $, or with an escape that may stand for it. */
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

// Each of these is given where what it passes begins, and returns where that ends; -1: it is no JSON, or nested too deep.

/** One loop rather than functions that call each other: a place that goes through all of them costs more than what they look at. */
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
    // A value is over, or what is open is empty: all that closes, and then a comma before the next value.
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

/** A member's name and the colon, to its value. */
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

/** Begins with `first`. */
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

/** From within a text that is long, or has escapes. */
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
 * Where a long text ends that is plain to its end, or -1: its quote and the next backslash are found as memchr finds them, and
 * of what lies between only control characters are left to look for. Half the time of looking for all three at once.
 */
function plainEnd(from: number): number {
  // Kept from one text to the next, or each would go through all that is left of the body.
  if (backslashAt < from) backslashAt = placeOf(backslash, from);
  const textEnd = placeOf(quote, from);
  return textEnd < backslashAt && hasNoControls(from, textEnd) ? textEnd : -1;
}

/** The end of the body where there is none. The search of a Buffer, which any array of bytes may use, is the only quick one. */
function placeOf(byte: number, from: number): number {
  const place = Buffer.prototype.indexOf.call(bytes, byte, from);
  return place < 0 ? bytes.length : place;
}

/** False where there are no fours, too. */
function hasNoControls(from: number, to: number): boolean {
  const each = fours;
  const last = (to >> 2) - 3;
  if (to >> 2 > each.length) return false;
  let next = from;
  while (next < to && (next & 3) !== 0) if (!isPlainByte[bytes[next++]!]) return false;
  let four = next >> 2;
  // By sixteen bytes at once (see arePlain): a check for each four would be a third of the time.
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

/** At least one. */
function digitsEnd(from: number): number {
  const each = bytes;
  let at = from;
  while (isDigit[each[at]!] === 1) at++;
  return at > from ? at : -1;
}
