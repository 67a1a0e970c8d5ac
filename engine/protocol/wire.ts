/** What compiled decoders and encoders call: the parts of Kafka's primitive types that are not worth inlining. */
import { assert, AssertionFailure } from '../kernel/assert.ts';
import '../kernel/buffer.ts';
import { stringBytesMax } from './limits.ts';
import { MalformedFrame } from './malformed-frame.ts';
import { UnsupportedVersion } from './unsupported-version.ts';

export function malformed(what: string): never {
  throw new MalformedFrame(what);
}

export function unsupported(what: string): never {
  throw new UnsupportedVersion(what);
}

export function misfit(field: string, value: unknown): never {
  throw new AssertionFailure(`${field} cannot hold ${String(value)}`);
}

/**
 * Where readVarint stopped, and how many array elements the last decoded message had. Returning these as results would cost
 * an allocation per length and per message.
 */
export const cursor = { position: 0, elements: 0 };

/** The error codes in the response encoded last, and how often each is in it; nearly always none. */
export const errorsMet = new Map<number, number>();

export function meetError(code: number): void {
  errorsMet.set(code, (errorsMet.get(code) ?? 0) + 1);
}

/** An unsigned varint of at most five bytes. */
export function readVarint(bytes: Buffer, position: number): number {
  let value = 0;
  for (let shift = 0; shift < 35; shift += 7) {
    if (position >= bytes.length) malformed('varint runs over the end');
    const byte = bytes[position++]!;
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) {
      cursor.position = position;
      return value >>> 0;
    }
  }
  return malformed('varint is longer than five bytes');
}

export function writeVarint(bytes: Buffer, position: number, value: number): number {
  while (value > 0x7f) {
    bytes[position++] = (value & 0x7f) | 0x80;
    value >>>= 7;
  }
  bytes[position++] = value;
  return position;
}

const int64Max = 0x7fff_ffff_ffff_ffffn;

/** An int64 from two halves. The largest one, Kafka's "no limit", becomes Infinity; others beyond 2^53 cannot be told apart. */
export function int64Of(high: number, low: number): number {
  // Most values fit in 32 bits; as small integers they need no box of their own.
  if (high === low >> 31) return low;
  const value = high * 0x1_0000_0000 + (low >>> 0);
  return value <= Number.MAX_SAFE_INTEGER && value >= Number.MIN_SAFE_INTEGER ? value : unsafeInt64(high, low);
}

/** For a value that is only compared: those beyond 2^53 are as far as it can be told. */
export function saturatingInt64Of(high: number, low: number): number {
  if (high === low >> 31) return low;
  const value = high * 0x1_0000_0000 + (low >>> 0);
  if (value > Number.MAX_SAFE_INTEGER) return Infinity;
  return value < Number.MIN_SAFE_INTEGER ? Number.MIN_SAFE_INTEGER : value;
}

/** For a value that is stored and given back: a bigint beyond 2^53. */
export function exactInt64Of(high: number, low: number): number | bigint {
  if (high === low >> 31) return low;
  const value = high * 0x1_0000_0000 + (low >>> 0);
  return value <= Number.MAX_SAFE_INTEGER && value >= Number.MIN_SAFE_INTEGER ? value : exactBigInt(high, low);
}

function exactBigInt(high: number, low: number): bigint {
  return (BigInt(high) << 32n) | BigInt(low >>> 0);
}

function unsafeInt64(high: number, low: number): number {
  if (high === 0x7fff_ffff && low >>> 0 === 0xffff_ffff) return Infinity;
  return malformed(`int64 ${exactBigInt(high, low)} is outside the safe integers (2^53 - 1)`);
}

export function writeInt64(bytes: Buffer, position: number, value: number | bigint, field: string): number {
  if (typeof value === 'bigint' || !Number.isSafeInteger(value)) {
    if (value !== Infinity && typeof value !== 'bigint') misfit(field, value);
    bytes.writeBigInt64BE(typeof value === 'bigint' ? value : int64Max, position);
    return position + 8;
  }
  const high = value === (value | 0) ? value >> 31 : Math.floor(value / 0x1_0000_0000);
  bytes[position] = high >> 24;
  bytes[position + 1] = high >> 16;
  bytes[position + 2] = high >> 8;
  bytes[position + 3] = high;
  const low = value >>> 0;
  bytes[position + 4] = low >> 24;
  bytes[position + 5] = low >> 16;
  bytes[position + 6] = low >> 8;
  bytes[position + 7] = low;
  return position + 8;
}

const asciiLengthMax = 64;

/** Writes length and UTF-8 of `value`. The caller has reserved three bytes per character and five for the length. */
export function writeText(bytes: Buffer, position: number, value: string, compact: boolean, field: string): number {
  const { length } = value;
  if (length <= asciiLengthMax) {
    const at = compact ? position + 1 : position + 2;
    let i = 0;
    for (; i < length; i++) {
      const unit = value.charCodeAt(i);
      if (unit > 0x7f) break;
      bytes[at + i] = unit;
    }
    if (i === length) {
      if (compact) bytes[position] = length + 1;
      else {
        bytes[position] = 0;
        bytes[position + 1] = length;
      }
      return at + length;
    }
  }
  const size = Buffer.byteLength(value);
  if (size > stringBytesMax) misfit(field, `a text of ${size} bytes`);
  if (compact) position = writeVarint(bytes, position, size + 1);
  else {
    bytes[position++] = size >> 8;
    bytes[position++] = size;
  }
  bytes.utf8Write(value, position, size);
  return position + size;
}

export function writeUuid(bytes: Buffer, position: number, value: string, field: string): number {
  assert(value.length === 16, `${field} is a uuid of 16 latin1 characters`);
  for (let i = 0; i < 16; i++) bytes[position + i] = value.charCodeAt(i);
  return position + 16;
}

/**
 * Writes the size of a tagged field, which stands before it and is known only after it. `sizeAt` is the byte left free for
 * the size, `end` the end of the field. Returns the new end, in case a longer size pushes the field back. Four bytes must
 * be reserved.
 */
export function writeSizeBefore(bytes: Buffer, sizeAt: number, end: number): number {
  const size = end - sizeAt - 1;
  let extra = 0;
  for (let rest = size >>> 7; rest > 0; rest >>>= 7) extra++;
  if (extra > 0) bytes.copyWithin(sizeAt + 1 + extra, sizeAt + 1, end);
  writeVarint(bytes, sizeAt, size);
  return end + extra;
}
