/**
 * How rows, tokens and the change log are stored in one ordered LMDB database. The first byte of a key is its kind:
 *
 *   'r' u16 length of pk, pk, sk         -> f64 version, value      one row; a range of one pk is one cursor scan
 *   't' u32 window, token                -> f64 monotonic ms        one remembered token
 *   'c' u64 sequence                     -> key of the row          one change
 *   's'                                  -> StoreState
 *
 * All integers are big-endian, so that byte order is numeric order. The length keeps pk and sk apart, whatever they contain.
 */
import type { Row, RowKey } from '../../engine/ports.ts';

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

export function encodeState(state: StoreState): Buffer {
  const bytes = Buffer.allocUnsafe(32);
  bytes.writeDoubleBE(state.lastSequence, 0);
  bytes.writeDoubleBE(state.firstSequence, 8);
  bytes.writeDoubleBE(state.window, 16);
  bytes.writeDoubleBE(state.windowOpenedMs, 24);
  return bytes;
}

export function decodeState(bytes: Buffer | undefined): StoreState {
  if (!bytes) return { lastSequence: 0, firstSequence: 1, window: 0, windowOpenedMs: 0 };
  return {
    lastSequence: bytes.readDoubleBE(0),
    firstSequence: bytes.readDoubleBE(8),
    window: bytes.readDoubleBE(16),
    windowOpenedMs: bytes.readDoubleBE(24),
  };
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

export function encodeRow(version: number, value: string): Buffer {
  const bytes = Buffer.allocUnsafe(versionBytes + Buffer.byteLength(value));
  bytes.writeDoubleBE(version, 0);
  bytes.write(value, versionBytes);
  return bytes;
}

export function decodeRow(key: RowKey, bytes: Buffer): Row {
  const { pk, sk } = key;
  return { pk, sk, value: bytes.toString('utf8', versionBytes), version: decodeVersion(bytes) };
}

export function decodeVersion(bytes: Buffer): number {
  return bytes.readDoubleBE(0);
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
