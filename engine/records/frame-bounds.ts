/**
 * How much a compressed frame can expand to, found by walking its structure without decoding it. This is what protects a
 * decoder without an output limit from a decompression bomb. Nothing is allocated here.
 */
import { CorruptBatch } from './batch.ts';

/** The length that a raw snappy block states in its preamble (a varint of at most 32 bits). */
export function snappyLength(block: Uint8Array): number {
  let length = 0;
  for (let i = 0; i < 5 && i < block.length; i++) {
    length += (block[i]! & 0x7f) * 2 ** (7 * i);
    if (block[i]! < 0x80) return length;
  }
  throw new CorruptBatch('snappy: no length');
}

const lz4Magic = 0x184d2204;

/**
 * Size of the first LZ4 frame and of its output (LZ4 Frame Format 1.6.3). Sums literal and match lengths over all
 * sequences, which is exact for a valid frame. Stops counting beyond `bytesMax`.
 */
export function lz4Bound(bytes: Uint8Array, bytesMax: number): { frameBytes: number; outputBytes: number } {
  if (bytes.length < 7 || readU32le(bytes, 0) !== lz4Magic) throw new CorruptBatch('lz4: no frame');
  const flags = bytes[4]!;
  const hasBlockChecksum = (flags & 0x10) !== 0;
  // Magic, flags, block descriptor, content size (8), dictionary id (4), header checksum.
  let pos = 7 + (flags & 0x08 ? 8 : 0) + (flags & 0x01 ? 4 : 0);
  let outputBytes = 0;
  for (;;) {
    if (pos + 4 > bytes.length) throw new CorruptBatch('lz4: frame cut short');
    const word = readU32le(bytes, pos);
    pos += 4;
    if (word === 0) return { frameBytes: Math.min(pos + (flags & 0x04 ? 4 : 0), bytes.length), outputBytes };
    const blockBytes = word & 0x7fff_ffff;
    if (blockBytes > bytes.length - pos) throw new CorruptBatch('lz4: block cut short');
    const isStored = word >= 0x8000_0000;
    outputBytes += isStored ? blockBytes : lz4BlockLength(bytes, pos, pos + blockBytes);
    if (outputBytes > bytesMax) return { frameBytes: bytes.length, outputBytes };
    pos += blockBytes + (hasBlockChecksum ? 4 : 0);
  }
}

function lz4BlockLength(bytes: Uint8Array, from: number, end: number): number {
  let outputBytes = 0;
  let pos = from;
  while (pos < end) {
    const token = bytes[pos++]!;
    let literals = token >> 4;
    if (literals === 15) {
      let byte = 255;
      while (byte === 255 && pos < end) literals += byte = bytes[pos++]!;
    }
    outputBytes += literals;
    // The last sequence has only literals.
    pos += literals + 2;
    if (pos > end) return outputBytes;
    let match = (token & 15) + 4;
    if (match === 19) {
      let byte = 255;
      while (byte === 255 && pos < end) match += byte = bytes[pos++]!;
    }
    outputBytes += match;
  }
  return outputBytes;
}

const zstdMagic = 0xfd2fb528;
const zstdBlockBytesMax = 128 * 1024;
/** RFC 8878 section 3.1.1.1.2 asks every decoder to support this; a decoder allocates the window before any data. */
const zstdWindowBytesMax = 8 * 1024 * 1024;

/**
 * An upper bound on the output of all zstd frames in `bytes` (RFC 8878), from their block headers. The content size field
 * can only raise it: a decoder compares that field at the end of the frame, so a lie there would be noticed too late.
 * Infinity for a window that no sane producer asks for.
 */
export function zstdBound(bytes: Uint8Array, bytesMax: number): number {
  let outputBytes = 0;
  for (let pos = 0; pos < bytes.length; ) {
    if (pos + 5 > bytes.length) throw new CorruptBatch('zstd: frame cut short');
    const magic = readU32le(bytes, pos);
    if (magic >>> 4 === 0x184d2a5) {
      if (pos + 8 > bytes.length) throw new CorruptBatch('zstd: skippable frame cut short');
      pos += 8 + readU32le(bytes, pos + 4);
      continue;
    }
    if (magic !== zstdMagic) throw new CorruptBatch('zstd: no frame');
    const frame = zstdFrame(bytes, pos);
    outputBytes += frame.outputBytes;
    if (frame.windowBytes > Math.max(zstdWindowBytesMax, bytesMax)) return Infinity;
    pos = frame.end;
  }
  return outputBytes;
}

function zstdFrame(bytes: Uint8Array, from: number): { end: number; outputBytes: number; windowBytes: number } {
  const descriptor = bytes[from + 4]!;
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const sizeFlag = descriptor >> 6;
  const sizeBytes = sizeFlag === 0 ? (isSingleSegment ? 1 : 0) : 1 << sizeFlag;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3]!;
  let pos = from + 5 + (isSingleSegment ? 0 : 1) + dictionaryBytes;
  const contentBytes = zstdContentSize(bytes, pos, sizeBytes);
  const windowBytes = isSingleSegment ? contentBytes : zstdWindow(bytes[from + 5] ?? 0);
  const blockBytesMax = Math.min(windowBytes, zstdBlockBytesMax);
  pos += sizeBytes;
  let outputBytes = 0;
  for (let isLast = false; !isLast; ) {
    if (pos + 3 > bytes.length) throw new CorruptBatch('zstd: block cut short');
    const header = bytes[pos]! | (bytes[pos + 1]! << 8) | (bytes[pos + 2]! << 16);
    const type = (header >> 1) & 3;
    const size = header >> 3;
    isLast = (header & 1) !== 0;
    // Raw: `size` bytes. Run: one byte, repeated `size` times. Compressed: `size` bytes that expand to at most one block.
    outputBytes += type === 2 ? blockBytesMax : size;
    pos += 3 + (type === 1 ? 1 : size);
    if (type === 3) throw new CorruptBatch('zstd: reserved block type');
  }
  const end = pos + (descriptor & 0x04 ? 4 : 0);
  if (end > bytes.length) throw new CorruptBatch('zstd: frame cut short');
  return { end, outputBytes: Math.max(outputBytes, contentBytes), windowBytes };
}

function zstdContentSize(bytes: Uint8Array, at: number, sizeBytes: number): number {
  let size = 0;
  for (let i = sizeBytes - 1; i >= 0; i--) size = size * 256 + (bytes[at + i] ?? 0);
  return sizeBytes === 2 ? size + 256 : size;
}

function zstdWindow(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >> 3));
  return base + (base / 8) * (descriptor & 7);
}

function readU32le(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}
