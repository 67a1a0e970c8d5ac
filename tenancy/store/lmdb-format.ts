/**
 * How rows, tokens and the change log are stored in one ordered LMDB database. The first byte of a key is its kind:
 *
 *   'r' u16 length of pk, pk, sk         -> f64 version, value, seal   one row; a range of one pk is one cursor scan
 *   't' u32 window, token                -> f64 monotonic ms        one remembered token
 *   'c' u64 sequence                     -> key of the row          one change
 *   's'                                  -> StoreState, its checksum
 *
 * All integers are big-endian, so that byte order is numeric order. The length keeps pk and sk apart, whatever they contain.
 */
import { changedBit, crc32c } from '../../engine/kernel/crc32c.ts';
import type { Row, RowKey } from '../../engine/ports.ts';
import { sealBytes, writeSeal } from './lmdb-seal.ts';

const rowKind = 0x72;
const tokenKind = 0x74;
const changeKind = 0x63;
const rowPrefixBytes = 3;
const versionBytes = 8;

export interface StoreState {
  /** Sequence of the newest change; 0 before the first. */
  readonly lastSequence: number;
  /** Sequence of the oldest change still in the log. */
  readonly firstSequence: number;
  /** The token window that is being filled, and the monotonic time at which it was opened. */
  readonly window: number;
  readonly windowOpenedMs: number;
}

export const stateKey = Buffer.from('s');

const stateBytes = 32;
const sealedStateBytes = stateBytes + 4;

/** A program that does not know the checksum ignores it, and writes none. */
export function encodeState(state: StoreState): Buffer {
  const bytes = Buffer.allocUnsafe(sealedStateBytes);
  bytes.writeDoubleBE(state.lastSequence, 0);
  bytes.writeDoubleBE(state.firstSequence, 8);
  bytes.writeDoubleBE(state.window, 16);
  bytes.writeDoubleBE(state.windowOpenedMs, 24);
  bytes.writeUInt32BE(crc32c(bytes, 0, 0, stateBytes), stateBytes);
  return bytes;
}

/** Undefined when it is damaged: what it said can be found out. A single changed bit is changed back. */
export function decodeState(bytes: Buffer | undefined): StoreState | undefined {
  if (!bytes) return { lastSequence: 0, firstSequence: 1, window: 0, windowOpenedMs: 0 };
  const sound = soundState(bytes);
  if (!sound) return undefined;
  const state = {
    lastSequence: sound.readDoubleBE(0),
    firstSequence: sound.readDoubleBE(8),
    window: sound.readDoubleBE(16),
    windowOpenedMs: sound.readDoubleBE(24),
  };
  const { lastSequence, firstSequence, window, windowOpenedMs } = state;
  const isState = [lastSequence, firstSequence, window].every((whole) => Number.isSafeInteger(whole) && whole >= 0);
  return isState && Number.isFinite(windowOpenedMs) ? state : undefined;
}

function soundState(bytes: Buffer): Buffer | undefined {
  if (bytes.length < sealedStateBytes) return bytes.length === stateBytes ? bytes : undefined;
  const different = (crc32c(bytes, 0, 0, stateBytes) ^ bytes.readUInt32BE(stateBytes)) >>> 0;
  // Nothing, or one bit of the checksum itself.
  if ((different & (different - 1)) === 0) return bytes;
  const found = changedBit(stateBytes, different);
  if (!found) return undefined;
  const mended = Buffer.from(bytes);
  mended[found.at]! ^= 1 << found.bit;
  return mended;
}

export function rowKeyBytes(pk: string, sk: string): Buffer {
  const pkBytes = Buffer.byteLength(pk);
  const bytes = Buffer.allocUnsafe(rowPrefixBytes + pkBytes + Buffer.byteLength(sk));
  bytes[0] = rowKind;
  bytes.writeUInt16BE(pkBytes, 1);
  bytes.write(pk, rowPrefixBytes);
  bytes.write(sk, rowPrefixBytes + pkBytes);
  return bytes;
}

/** Sorts after every row of `pk`: UTF-8 has no byte 0xff. */
export function afterPartition(pk: string): Buffer {
  const pkBytes = Buffer.byteLength(pk);
  const bytes = Buffer.allocUnsafe(rowPrefixBytes + pkBytes + 1);
  bytes[0] = rowKind;
  bytes.writeUInt16BE(pkBytes, 1);
  bytes.write(pk, rowPrefixBytes);
  bytes[bytes.length - 1] = 0xff;
  return bytes;
}

/** The next key after `key` in byte order. */
export function successor(key: Buffer): Buffer {
  return Buffer.concat([key, Buffer.of(0)]);
}

export function decodeRowKey(bytes: Buffer): RowKey {
  const pkEnd = rowPrefixBytes + bytes.readUInt16BE(1);
  return { pk: bytes.toString('utf8', rowPrefixBytes, pkEnd), sk: bytes.toString('utf8', pkEnd) };
}

/** Decodes the sk of one of `pk`'s rows; all keys between `rowKeyBytes(pk, '')` and `afterPartition(pk)` are such rows. */
export function decodeSk(bytes: Buffer, pk: string): string {
  return bytes.toString('utf8', rowPrefixBytes + Buffer.byteLength(pk));
}

/** With the seal (lmdb-seal.ts). */
export function encodeRow(key: Uint8Array, version: number, value: string): Buffer {
  const bytes = Buffer.allocUnsafe(versionBytes + Buffer.byteLength(value) + sealBytes);
  bytes.writeDoubleBE(version, 0);
  bytes.write(value, versionBytes);
  writeSeal(key, bytes);
  return bytes;
}

/** `end`: of the value. */
export function decodeRow(key: RowKey, bytes: Buffer, end: number): Row {
  const { pk, sk } = key;
  return { pk, sk, value: bytes.toString('utf8', versionBytes, end), version: decodeVersion(bytes) };
}

/** What a damaged version counts as: no row ever gets there, and it can still be counted on. */
const versionUnknown = 2 ** 45;

export function decodeVersion(bytes: Buffer): number {
  const version = bytes.readDoubleBE(0);
  return Number.isSafeInteger(version) && version > 0 ? version : versionUnknown;
}

/** Whether the bytes are the key of a row. */
export function isRowKey(bytes: Uint8Array): boolean {
  return bytes[0] === rowKind && bytes.length >= rowPrefixBytes + ((bytes[1]! << 8) | bytes[2]!);
}

/** Whether the bytes begin like a key of another kind. */
export function isOwnKey(bytes: Uint8Array): boolean {
  return bytes[0] === tokenKind || bytes[0] === changeKind || (bytes[0] === stateKey[0] && bytes.length === 1);
}

export function changeKey(sequence: number): Buffer {
  const bytes = Buffer.allocUnsafe(9);
  bytes[0] = changeKind;
  bytes.writeBigUInt64BE(BigInt(sequence), 1);
  return bytes;
}

export function decodeSequence(key: Buffer): number {
  return Number(key.readBigUInt64BE(1));
}

/** All changes lie between `changeKey(0)` and here. */
export const afterChanges = Buffer.of(changeKind + 1);
/** All tokens lie between `tokenKey(0, '')` and here. */
export const afterTokens = Buffer.of(tokenKind + 1);

export function decodeWindow(key: Buffer): number {
  return key.readUInt32BE(1);
}

/** An empty `token` gives the start of a window. */
export function tokenKey(window: number, token: string): Buffer {
  const bytes = Buffer.allocUnsafe(5 + Buffer.byteLength(token));
  bytes[0] = tokenKind;
  bytes.writeUInt32BE(window, 1);
  bytes.write(token, 5);
  return bytes;
}

export function encodeTime(ms: number): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeDoubleBE(ms, 0);
  return bytes;
}

export function decodeTime(bytes: Buffer): number {
  return bytes.readDoubleBE(0);
}
