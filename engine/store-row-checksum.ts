/**
 * The checksum at the end of a row's text, and what it can do. The metadata store has none of its own: one changed bit
 * in its file would be believed. The checksum is the last member of the row's JSON, so programs that do not know it
 * ignore it, and rows that they wrote are read without one.
 *
 * A CRC-32C tells any two texts apart that differ in up to three bits, at the length of a row. So if changing one bit
 * makes the checksum hold, that is the text as it was written, and a text with two changed bits is never mistaken for
 * another row. That is why a row is written in ASCII: a byte above 127 is then known to be damaged, even when the store
 * has already replaced it by U+FFFD.
 */
import { changedBit, crc32c } from './kernel/crc32c.ts';

const open = ',"crc":';
const close = '}';
const digitsMax = 10;
const ascii = 128;

/** The row's JSON in ASCII, with a checksum of the text before it as the last member. */
export function rowText(fields: object): string {
  const json = JSON.stringify(fields).replace(/[\u0080-\uffff]/g, escaped);
  return `${json.slice(0, -close.length)}${open}${crcOf(json)}${close}`;
}

/**
 * The row's text as it was written: the text itself when its checksum holds or it has none, or with one bit changed back.
 * Undefined when more of it is damaged.
 */
export function soundText(text: string): string | undefined {
  const from = text.lastIndexOf(open, text.length - open.length);
  const digits = from < 0 ? undefined : digitsIn(text.slice(from + open.length));
  if (digits === undefined) return withMember(text);
  const json = text.slice(0, from) + close;
  const crc = crcOf(json);
  const stored = Number(digits);
  if (crc === stored) return text;
  // The damage is either in what the checksum covers or in the checksum.
  const mended = mendedJson(json, crc, stored);
  const isChecksumDamaged = differsInOneBit(digits, String(crc));
  if (mended !== undefined && isChecksumDamaged) return undefined;
  return isChecksumDamaged ? sealed(json, crc) : mended && sealed(mended, stored);
}

/** Of a text that is nothing but a number and the end of the object. */
function digitsIn(end: string): string | undefined {
  return /^\d{1,10}\}$/.test(end) ? end.slice(0, -close.length) : undefined;
}

function crcOf(json: string): number {
  return crc32c(Buffer.from(json));
}

function sealed(json: string, crc: number): string {
  return `${json.slice(0, -close.length)}${open}${crc}${close}`;
}

function escaped(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

function mendedJson(json: string, crc: number, stored: number): string | undefined {
  const odd = oddUnits(json);
  if (odd.length > 1) return undefined;
  if (odd.length === 0) {
    const found = changedBit(json.length, crc ^ stored);
    return found && withUnit(json, found.at, json.charCodeAt(found.at) ^ (1 << found.bit));
  }
  for (let unit = 0; unit < ascii; unit++) {
    const mended = withUnit(json, odd[0]!, unit);
    if (crcOf(mended) === stored) return mended;
  }
  return undefined;
}

/** Where the text is not ASCII, up to two places. */
function oddUnits(text: string): number[] {
  const odd: number[] = [];
  for (let i = 0; i < text.length && odd.length < 2; i++) if (text.charCodeAt(i) >= ascii) odd.push(i);
  return odd;
}

function withUnit(text: string, at: number, unit: number): string {
  return text.slice(0, at) + String.fromCharCode(unit) + text.slice(at + 1);
}

/**
 * A text that does not end with a checksum: a row of an older program, which has none, or one whose checksum is damaged.
 */
function withMember(text: string): string | undefined {
  for (let digits = 1; digits <= digitsMax; digits++) {
    const from = text.length - open.length - digits - close.length;
    if (from < 1) break;
    const json = text.slice(0, from) + close;
    const tail = text.slice(from);
    // No row has a last field whose name is this close to the checksum's.
    const isNear = unitsApart(tail.slice(0, open.length), open) + (tail.endsWith(close) ? 0 : 1) <= 2;
    if (!isNear) continue;
    const crc = crcOf(json);
    return differsInOneBit(tail, `${open}${crc}${close}`) ? sealed(json, crc) : undefined;
  }
  return isJson(text) ? text : undefined;
}

function unitsApart(a: string, b: string): number {
  let apart = 0;
  for (let i = 0; i < b.length; i++) if (a.charCodeAt(i) !== b.charCodeAt(i)) apart++;
  return apart;
}

function differsInOneBit(damaged: string, written: string): boolean {
  if (damaged.length !== written.length || unitsApart(damaged, written) !== 1) return false;
  let at = 0;
  while (damaged.charCodeAt(at) === written.charCodeAt(at)) at++;
  const difference = damaged.charCodeAt(at) ^ written.charCodeAt(at);
  return damaged.charCodeAt(at) >= ascii || (difference & (difference - 1)) === 0;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
