/**
 * JSON text as UTF-8 bytes, appended to memory that grows. Stored records are UTF-8 already: as strings they would be
 * decoded, joined and encoded again on their way out, several passes over every byte.
 */
import { isPlainByte, isPlainText } from './json-scan.ts';

const quote = 0x22;
const backslash = 0x5c;
const minus = 0x2d;
const zero = 0x30;

/** Up to this length, copying and checking bytes here is cheaper than a call into native code. */
const shortBytes = 96;
/** The most bytes that one byte of a text can become: \u001f. */
const escapedBytesMax = 6;
/** Room is reserved for this much of a text at a time, as if all of it needed escapes. */
const escapedAtOnceBytes = 16 * 1024;

const escapes: readonly Buffer[] = Array.from({ length: 0x80 }, (_, byte) =>
  Buffer.from(JSON.stringify(String.fromCharCode(byte)).slice(1, -1)),
);

export class JsonOutput {
  #bytes: Buffer;
  #length = 0;

  constructor(capacityBytes: number) {
    this.#bytes = Buffer.allocUnsafe(capacityBytes);
  }

  get length(): number {
    return this.#length;
  }

  /** All bytes written; nothing may be written afterwards. A view, unless it would keep much unused memory alive. */
  written(): Buffer {
    const written = this.#bytes.subarray(0, this.#length);
    return this.#length * 2 < this.#bytes.length ? Buffer.from(written) : written;
  }

  #reserve(bytes: number): void {
    const wanted = this.#length + bytes;
    if (wanted <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafe(Math.max(wanted, Math.ceil(this.#bytes.length * 1.5)));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }

  ascii(text: string): void {
    this.#reserve(text.length);
    if (text.length > shortBytes) {
      this.#length += this.#bytes.latin1Write(text, this.#length, text.length);
      return;
    }
    const out = this.#bytes;
    let at = this.#length;
    for (let i = 0; i < text.length; i++) out[at++] = text.charCodeAt(i);
    this.#length = at;
  }

  string(text: string): void {
    this.#reserve(Buffer.byteLength(text));
    this.#length += this.#bytes.write(text, this.#length);
  }

  byte(byte: number): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = byte;
  }

  copy(bytes: Uint8Array): void {
    const { length } = bytes;
    this.#reserve(length);
    const out = this.#bytes;
    const from = this.#length;
    if (length > shortBytes) out.set(bytes, from);
    else for (let i = 0; i < length; i++) out[from + i] = bytes[i]!;
    this.#length = from + length;
  }

  /** Like `copy`, but replaces each run of line breaks by one blank. */
  copyAsLine(bytes: Uint8Array): void {
    const from = this.#length;
    this.copy(bytes);
    const out = this.#bytes;
    const end = this.#length;
    let next = lineBreakIn(out, from, end);
    if (next === end) return;
    let to = next;
    for (let wasBreak = false; next < end; next++) {
      const byte = out[next]!;
      const isBreak = byte === 0x0a || byte === 0x0d;
      if (!isBreak) out[to++] = byte;
      else if (!wasBreak) out[to++] = 0x20;
      wasBreak = isBreak;
    }
    this.#length = to;
  }

  /** Writes a whole number. */
  number(value: number): void {
    // A timestamp may be any 64 bits.
    if (!Number.isSafeInteger(value)) return this.ascii(String(value));
    this.#reserve(20);
    let rest = value;
    if (rest < 0) {
      this.#bytes[this.#length++] = minus;
      rest = -rest;
    }
    // The digits of a double, in two halves that are small integers.
    const half = 1e8;
    if (rest >= half) {
      const high = Math.floor(rest / half);
      this.#digits(high, digitsOf(high));
      this.#digits(rest - high * half, 8);
    } else this.#digits(rest, digitsOf(rest));
  }

  #digits(value: number, count: number): void {
    const out = this.#bytes;
    const from = this.#length;
    let rest = value | 0;
    for (let at = from + count - 1; at >= from; at--) {
      const tenth = (rest / 10) | 0;
      out[at] = zero + rest - tenth * 10;
      rest = tenth;
    }
    this.#length = from + count;
  }

  /** Writes UTF-8 as a JSON string. */
  text(bytes: Uint8Array): void {
    this.byte(quote);
    if (bytes.length > shortBytes && isPlainText(bytes)) this.copy(bytes);
    else {
      for (let from = 0; from < bytes.length; from += escapedAtOnceBytes) {
        this.#escape(bytes, from, Math.min(bytes.length, from + escapedAtOnceBytes));
      }
    }
    this.byte(quote);
  }

  #escape(bytes: Uint8Array, from: number, end: number): void {
    this.#reserve((end - from) * escapedBytesMax);
    const out = this.#bytes;
    const plain = isPlainByte;
    let at = this.#length;
    for (let i = from; i < end; i++) {
      const byte = bytes[i]!;
      if (plain[byte] === 1) out[at++] = byte;
      else if (byte === quote || byte === backslash) {
        out[at++] = backslash;
        out[at++] = byte;
      } else {
        const escape = escapes[byte]!;
        for (let j = 0; j < escape.length; j++) out[at++] = escape[j]!;
      }
    }
    this.#length = at;
  }

  /** Writes bytes as base64 in quotes. */
  base64(bytes: Buffer): void {
    this.byte(quote);
    this.ascii(bytes.base64Slice(0, bytes.length));
    this.byte(quote);
  }
}

/** The place of the first line break in [from, end), or `end`. */
function lineBreakIn(bytes: Buffer, from: number, end: number): number {
  if (end - from > shortBytes) {
    const text = bytes.subarray(from, end);
    const feed = text.indexOf(0x0a);
    const carriage = text.indexOf(0x0d);
    if (feed < 0 && carriage < 0) return end;
    return from + Math.min(feed < 0 ? end : feed, carriage < 0 ? end : carriage);
  }
  for (let at = from; at < end; at++) if (bytes[at] === 0x0a || bytes[at] === 0x0d) return at;
  return end;
}

/** For numbers below 1e9. */
function digitsOf(value: number): number {
  let digits = 1;
  for (let limit = 10; value >= limit; limit *= 10) digits++;
  return digits;
}
