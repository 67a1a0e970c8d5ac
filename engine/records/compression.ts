/**
 * Kafka's four codecs over their libraries, loaded on first use: passing a batch through never needs them. All work
 * runs on the thread pool, so `bytes` must stay unchanged until the promise settles.
 *
 * How a bomb is bounded, given `bytesMax`. The compressed input is already bounded by the caller, and each decoder is
 * started only when its output is known to be bounded:
 *   gzip    zlib's maxOutputLength: stops while inflating, at most bytesMax plus one 16 KiB chunk.
 *   snappy  every block states its length up front and the decoder cannot exceed it; the sum is checked before.
 *   lz4     the frame is walked over its sequences (frame-bounds.ts), which yields the exact output size.
 *   zstd    the frame's block headers bound the output to 128 KiB a block (frame-bounds.ts). A block may be shorter, so
 *           the bound may overshoot: up to 16 MiB over bytesMax is decoded and only then measured.
 * lz4 and zstd grow their output by doubling, so the peak is twice the figures above. All decompressions of the process
 * together pass one gate (decompression-gate.ts).
 */
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { Failure } from '../kernel/failure.ts';
import { codec, CorruptBatch } from './batch.ts';
import { DecompressionGate } from './decompression-gate.ts';
import { lz4Bound, snappyLength, zstdBound } from './frame-bounds.ts';
import { readI32, writeI32 } from './bytes.ts';

/** The records expand beyond what a reader is willing to hold. */
export class DecompressedTooLarge extends Failure {
  readonly code = 'invalid-request';
  constructor(bytesMax: number) {
    super(`records exceed ${bytesMax} bytes after decompression`);
  }
}

/** No such codec, or its library has no binary for this platform. */
export class CodecUnavailable extends Failure {
  readonly code = 'unsupported-version';
}

/** How far the block count of a zstd frame may overestimate its size. */
const zstdSlackBytes = 16 * 1024 * 1024;

/** Two of the largest batches (decode.ts), and their buffers while they grow. */
const gate = new DecompressionGate(256 * 1024 * 1024);
/** No deflate stream expands further (RFC 1951: 258 bytes from two bits). */
const gzipRatioMax = 1032;

/** Throws DecompressedTooLarge, CorruptBatch (the library's words) and CodecUnavailable. */
export async function decompress(codecId: number, bytes: Buffer, bytesMax: number): Promise<Buffer> {
  switch (codecId) {
    case codec.none:
      if (bytes.length > bytesMax) throw new DecompressedTooLarge(bytesMax);
      return bytes;
    case codec.gzip:
      return gate.pass(Math.min(bytesMax, bytes.length * gzipRatioMax), () => gunzipBounded(bytes, bytesMax));
    case codec.snappy:
      return isXerial(bytes)
        ? gate.pass(xerialLength(bytes, bytesMax), () => unsnapXerial(bytes, bytesMax))
        : gate.pass(Math.min(snappyLength(bytes), bytesMax), () => unsnap(bytes, bytesMax));
    case codec.lz4: {
      const { frameBytes, outputBytes } = lz4Bound(bytes, bytesMax);
      if (outputBytes > bytesMax) throw new DecompressedTooLarge(bytesMax);
      // The frame alone, without what may follow: the bound holds for exactly these bytes.
      const { decompressFrame } = await lz4();
      return gate.pass(outputBytes, () => settle('lz4', () => decompressFrame(bytes.subarray(0, frameBytes))));
    }
    case codec.zstd: {
      const boundBytes = zstdBound(bytes, bytesMax);
      if (boundBytes > bytesMax + zstdSlackBytes) throw new DecompressedTooLarge(bytesMax);
      const library = await zstd();
      const out = await gate.pass(boundBytes, () => settle('zstd', () => library.decompress(bytes)));
      if (out.length > bytesMax) throw new DecompressedTooLarge(bytesMax);
      return out;
    }
    default:
      throw new CodecUnavailable(`codec ${codecId} does not exist`);
  }
}

/** The framing is the one that Java clients write, which every client reads. Throws CodecUnavailable. */
export async function compress(codecId: number, bytes: Buffer): Promise<Buffer> {
  switch (codecId) {
    case codec.none:
      return bytes;
    case codec.gzip:
      return gzipAsync(bytes);
    case codec.snappy:
      return snapXerial(bytes);
    case codec.lz4:
      return (await lz4()).compressFrame(bytes);
    case codec.zstd:
      return (await zstd()).compress(bytes);
    default:
      throw new CodecUnavailable(`codec ${codecId} does not exist`);
  }
}

// --- gzip ---

const gzipAsync = promisify<Buffer, Buffer>(gzip);
const gunzipAsync = promisify<Buffer, { maxOutputLength: number }, Buffer>(gunzip);

async function gunzipBounded(bytes: Buffer, bytesMax: number): Promise<Buffer> {
  try {
    // Node refuses a limit of 0.
    return await gunzipAsync(bytes, { maxOutputLength: Math.max(bytesMax, 1) });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw new DecompressedTooLarge(bytesMax);
    throw new CorruptBatch(`gzip: ${(error as Error).message}`);
  }
}

// --- snappy: raw blocks (librdkafka) or xerial's framing of them (Java) ---

/** 0x82 'SNAPPY' 0, version i32, lowest compatible version i32, then blocks: compressed length i32 and a raw block. */
const xerialMagic = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0]);
const xerialHeaderBytes = 16;
/** The block size of Java clients: their decoder sizes its buffers by it. */
const xerialBlockBytes = 32 * 1024;

function isXerial(bytes: Buffer): boolean {
  return bytes.length >= xerialHeaderBytes && bytes.subarray(0, xerialMagic.length).equals(xerialMagic);
}

async function unsnap(block: Buffer, bytesMax: number): Promise<Buffer> {
  if (snappyLength(block) > bytesMax) throw new DecompressedTooLarge(bytesMax);
  const { uncompress } = await snappy();
  return settle('snappy', () => uncompress(block) as Promise<Buffer>);
}

async function unsnapXerial(bytes: Buffer, bytesMax: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let left = bytesMax;
  for (let pos = xerialHeaderBytes; pos < bytes.length; ) {
    const blockBytes = bytes.length - pos < 4 ? -1 : readI32(bytes, pos);
    pos += 4;
    if (blockBytes < 0 || blockBytes > bytes.length - pos) throw new CorruptBatch('snappy: block cut short');
    const block = bytes.subarray(pos, pos + blockBytes);
    if (snappyLength(block) > left) throw new DecompressedTooLarge(bytesMax);
    const part = await unsnap(block, left);
    left -= part.length;
    parts.push(part);
    pos += blockBytes;
  }
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
}

/** What the blocks say together, stopping at the limit; malformed ones are left to the decoder. */
function xerialLength(bytes: Buffer, bytesMax: number): number {
  let total = 0;
  for (let pos = xerialHeaderBytes; pos + 4 < bytes.length && total < bytesMax; ) {
    const blockBytes = readI32(bytes, pos);
    if (blockBytes < 0 || blockBytes > bytes.length - pos - 4) break;
    total += snappyLength(bytes.subarray(pos + 4, pos + 4 + blockBytes));
    pos += 4 + blockBytes;
  }
  return Math.min(total, bytesMax);
}

async function snapXerial(bytes: Buffer): Promise<Buffer> {
  const library = await snappy();
  const header = Buffer.alloc(xerialHeaderBytes);
  header.set(xerialMagic);
  writeI32(header, 8, 1);
  writeI32(header, 12, 1);
  const parts: Buffer[] = [header];
  for (let pos = 0; pos < bytes.length; pos += xerialBlockBytes) {
    const block = await library.compress(bytes.subarray(pos, pos + xerialBlockBytes));
    const length = Buffer.alloc(4);
    writeI32(length, 0, block.length);
    parts.push(length, block);
  }
  return Buffer.concat(parts);
}

// --- libraries ---

const snappy = once('snappy', () => import('snappy'));
const lz4 = once('lz4', () => import('lz4-napi'));
const zstd = once('zstd', () => import('@mongodb-js/zstd'));

function once<Library>(name: string, load: () => Promise<Library>): () => Promise<Library> {
  let loading: Promise<Library> | undefined;
  return () =>
    (loading ??= load().catch((error: unknown) => {
      throw new CodecUnavailable(`${name} cannot be loaded: ${(error as Error).message}`);
    }));
}

/** A library's complaint about its input is our corrupt data. */
async function settle(name: string, decode: () => Promise<Buffer>): Promise<Buffer> {
  try {
    return await decode();
  } catch (error) {
    throw new CorruptBatch(`${name}: ${(error as Error).message}`);
  }
}
