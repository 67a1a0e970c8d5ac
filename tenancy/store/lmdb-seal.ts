/**
 * A checksum of a row's key and version, and of the end of its value, where the value's own checksum is
 * (engine/store-row-checksum.ts). LMDB has none: without it a changed bit would give a row another version or another key,
 * or a row would be believed under a key that is not its own.
 *
 *   version, value, sixteen characters of white space, two bits each
 *
 * JSON ignores white space at its end, so programs that do not know the seal read such rows, and the rows that they write
 * have none. A CRC-32C over so few bytes tells any two texts apart that differ in up to five bits: a single changed bit can
 * be changed back, and two are never mistaken for another one.
 */
import { changedBit, crc32c } from '../../engine/kernel/crc32c.ts';

export const sealBytes = 16;
/** The version's bytes, which stand before the value. */
const headBytes = 8;
/** At least `"crc":4294967295}`. */
const tailBytes = 18;
const symbols = [0x20, 0x09, 0x0a, 0x0d] as const;
/** What a byte stands for; -1 for one that is no symbol. */
const bitsOf = Int8Array.from({ length: 256 }, (_, byte) => symbols.indexOf(byte as (typeof symbols)[number]));

/** 'none': written by a program that does not know seals. 'broken': the row must not be used as it is. */
export type SealState = 'none' | 'sound' | 'broken';

/** Writes the seal into the last `sealBytes` bytes of a row. */
export function writeSeal(key: Uint8Array, row: Uint8Array): void {
  row.set(symbolsOf(crcOf(key, row)), row.length - sealBytes);
}

export function sealState(key: Uint8Array, row: Uint8Array): SealState {
  const seal = sealIn(row);
  if (seal === undefined) return 'none';
  return seal === crcOf(key, row) ? 'sound' : 'broken';
}

/** Key and row as they were written, if one changed bit is all that is wrong with a broken seal. */
export function mendSeal(key: Uint8Array, row: Uint8Array): { readonly key: Buffer; readonly row: Buffer } | undefined {
  const seal = sealIn(row);
  const crc = crcOf(key, row);
  const written = { key: Buffer.from(key), row: Buffer.from(row) };
  if (bitsApart(symbolsOf(crc), row.subarray(row.length - sealBytes)) === 1) return written;
  if (seal === undefined || seal === oddSeal) return undefined;
  const tail = tailFrom(row);
  const found = changedBit(key.length + headBytes + row.length - sealBytes - tail, crc ^ seal);
  if (!found) return undefined;
  const { at, bit } = found;
  const inRow = at - key.length;
  if (inRow < 0) written.key[at]! ^= 1 << bit;
  else written.row[inRow < headBytes ? inRow : inRow - headBytes + tail]! ^= 1 << bit;
  return written;
}

/** One of the symbols is none: no checksum has this value. */
const oddSeal = -1;

/** Undefined when more than one byte is no symbol: that is the end of a value. */
function sealIn(row: Uint8Array): number | undefined {
  const from = row.length - sealBytes;
  if (from < headBytes) return undefined;
  let seal = 0;
  let odd = 0;
  for (let at = from; at < row.length; at++) {
    const bits = bitsOf[row[at]!]!;
    if (bits < 0 && ++odd > 1) return undefined;
    seal = (seal << 2) | (bits & 3);
  }
  return odd === 0 ? seal >>> 0 : oddSeal;
}

function symbolsOf(crc: number): Uint8Array {
  return Uint8Array.from({ length: sealBytes }, (_, at) => symbols[(crc >>> (2 * (sealBytes - 1 - at))) & 3]!);
}

function crcOf(key: Uint8Array, row: Uint8Array): number {
  const head = crc32c(row, crc32c(key), 0, headBytes);
  return crc32c(row, head, tailFrom(row), row.length - sealBytes);
}

function tailFrom(row: Uint8Array): number {
  return Math.max(headBytes, row.length - sealBytes - tailBytes);
}

function bitsApart(a: Uint8Array, b: Uint8Array): number {
  let apart = 0;
  for (let at = 0; at < a.length; at++) {
    for (let different = a[at]! ^ b[at]!; different > 0; different &= different - 1) apart++;
  }
  return apart;
}
