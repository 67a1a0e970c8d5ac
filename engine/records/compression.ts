/**
 * Kafka's four codecs. Passing a batch through never needs them. `bytes` must stay unchanged until the promise settles.
 *
 *   gzip    zlib on the thread pool, into one piece of memory (gunzip.ts).
 *   snappy  our own decoder (snappy-block.ts): every block states its length, and the sum is checked first.
 *   lz4     our own decoder (lz4-frame.ts). The frame is walked first (frame-bounds.ts), which gives the exact size.
 *   zstd    a library on the thread pool. The frame's block headers bound the output to 128 KiB a block (frame-bounds.ts). A
 *           block may be shorter, so the bound may be too high: up to 16 MiB over bytesMax is decoded before it is measured.
 *
 * How bombs are bounded. The caller bounds the compressed input, and a decoder starts only when its output is known to be
 * bounded. All decompression in a process passes one of two gates (decompression-gate.ts). Readers of records borrow the
 * decompressed memory: they keep their share of the gate until they are done, and then share and memory are given back at
 * once (section-memory.ts). Large sections have a gate of their own, so that usual batches never wait behind somebody's
 * bombs. They stay a moment longer, for other readers of the same bytes (shared-sections.ts).
 */
import { promisify } from 'node:util';
import { constants, gzip, type ZlibOptions } from 'node:zlib';
import { systemClock } from '../kernel/clock.ts';
import { Failure } from '../kernel/failure.ts';
import { codec, CorruptBatch } from './batch.ts';
import type { SlicedDecoder } from './copy-match.ts';
import { DecompressionGate } from './decompression-gate.ts';
import { lz4Bound, zstdBound } from './frame-bounds.ts';
import { gunzipBound, GunzipLimit, gunzipPieces, gunzipStated, statedBytes } from './gunzip.ts';
import { Lz4Decoder } from './lz4-frame.ts';
import { allocateSection, releaseForeignSection, releaseSection } from './section-memory.ts';
import { type SectionReader, SharedSections } from './shared-sections.ts';
import { snappyBound, SnappyDecoder, xerialHeaderBytes, xerialMagic } from './snappy-block.ts';
import { writeI32 } from './bytes.ts';

/** The decompressed records are larger than the reader accepts. */
export class DecompressedTooLarge extends Failure {
  readonly code = 'invalid-request';
  constructor(bytesMax: number) {
    super(`records exceed ${bytesMax} bytes after decompression`);
  }
}

/** The codec does not exist, or its library has no binary for this platform. */
export class CodecUnavailable extends Failure {
  readonly code = 'unsupported-version';
}

const mebi = 1024 * 1024;
/** How far the block count of a zstd frame may overestimate the frame's size. */
const zstdSlackBytes = 16 * mebi;
/** Output of our own decoders between two turns of the event loop: a few milliseconds. */
const sliceBytes = mebi;

/** A usual batch, decompressed, is well below this. */
const usualBytesMax = 4 * mebi;
const usualGate = new DecompressionGate(64 * mebi, 4_096);
/** Room for one of the largest sections (decode.ts). */
const largeGate = new DecompressionGate(128 * mebi, 1_024);
const largeSections = new SharedSections(largeGate, systemClock);

/** For work of the process itself, whoever caused it. */
const anyone: SectionReader = { owner: '', comesBack: false };

/** Throws DecompressedTooLarge, CorruptBatch (with the library's message), CodecUnavailable and Overloaded. */
export function decompress(codecId: number, bytes: Buffer, bytesMax: number, owner = ''): Promise<Buffer> {
  return decoded(codecId, bytes, bytesMax, (section) => section, 'kept', { owner, comesBack: false });
}

/**
 * Recompression holds both forms in memory for as long as a library takes. Brokers ask for 32 MiB (look-inside.ts), so two
 * run at once, however small they turn out to be. That leaves threads of the pool for the work that acknowledgements wait for.
 */
const recompressionGate = new DecompressionGate(64 * mebi, 4_096);

/** The same records under another codec. Throws as `decompress`. */
export function recompress(
  from: number,
  to: number,
  bytes: Buffer,
  bytesMax: number,
  gzipLevel?: number,
): Promise<Buffer> {
  if (to === codec.none) return decompress(from, bytes, bytesMax);
  return recompressionGate.pass(bytesMax, async () => {
    const section = await decompress(from, bytes, bytesMax);
    try {
      return await compress(to, section, gzipLevel);
    } finally {
      if (section !== bytes) await giveBack(section, section.length, from === codec.zstd ? 'foreign' : 'lent');
    }
  });
}

/**
 * Returns what `use` makes of the section. Nothing may refer to `section` afterwards: its memory is given back. Throws as
 * `decompress`.
 */
export function withDecompressed<T>(
  codecId: number,
  bytes: Buffer,
  bytesMax: number,
  use: (section: Buffer) => T,
  reader = anyone,
): Promise<T> {
  return decoded(codecId, bytes, bytesMax, use, codecId === codec.zstd ? 'foreign' : 'lent', reader);
}

/** Who owns the memory after `use` has returned: the caller, us (to give back), or a library (to be collected). */
type Ownership = 'kept' | 'lent' | 'foreign';

async function decoded<T>(
  codecId: number,
  bytes: Buffer,
  bytesMax: number,
  use: (section: Buffer) => T,
  ownership: Ownership,
  reader: SectionReader,
): Promise<T> {
  const pass = (outputBytes: number, decode: () => Promise<Buffer>): Promise<T> => {
    const isLarge = outputBytes > usualBytesMax;
    if (isLarge && ownership !== 'kept') {
      const done = (section: Buffer): Promise<void> | void => giveBack(section, outputBytes, ownership);
      // Memory that a library allocated remains even after a failure.
      const decodeAll = (): Promise<Buffer> =>
        decode().catch(async (error: unknown) => {
          if (ownership === 'foreign') await collectForeign(outputBytes);
          throw error;
        });
      return largeSections.lend({ codecId, bytes, bytesMax, reader }, outputBytes, use, decodeAll, done);
    }
    const work = async (): Promise<T> => lent(await decode(), use, ownership);
    return (isLarge ? largeGate : usualGate).pass(outputBytes, work, reader.owner);
  };
  switch (codecId) {
    case codec.none:
      if (bytes.length > bytesMax) throw new DecompressedTooLarge(bytesMax);
      return use(bytes);
    case codec.gzip:
      return gunzip(bytes, bytesMax, pass);
    case codec.snappy: {
      const outputBytes = snappyBound(bytes, bytesMax);
      if (outputBytes > bytesMax) throw new DecompressedTooLarge(bytesMax);
      return pass(outputBytes, () => inSlices(outputBytes, (to) => new SnappyDecoder(bytes, to)));
    }
    case codec.lz4: {
      const { frameBytes, outputBytes } = lz4Bound(bytes, bytesMax);
      if (outputBytes > bytesMax) throw new DecompressedTooLarge(bytesMax);
      const frame = bytes.subarray(0, frameBytes);
      return pass(outputBytes, () => inSlices(outputBytes, (to) => new Lz4Decoder(frame, to)));
    }
    case codec.zstd: {
      const boundBytes = zstdBound(bytes, bytesMax);
      if (boundBytes > bytesMax + zstdSlackBytes) throw new DecompressedTooLarge(bytesMax);
      const library = await zstd();
      return pass(boundBytes, () => unzstd(library, bytes, bytesMax));
    }
    default:
      throw new CodecUnavailable(`codec ${codecId} does not exist`);
  }
}

/** Gives back a large section. */
async function giveBack(section: Buffer, outputBytes: number, ownership: Ownership): Promise<void> {
  if (ownership === 'lent') releaseSection(section);
  else await collectForeign(outputBytes);
}

async function collectForeign(outputBytes: number): Promise<void> {
  // In a separate turn: before that, settled promises may still refer to the section. The library frees it in the turn
  // after.
  await turn();
  releaseForeignSection(outputBytes);
  await turn();
}

function lent<T>(section: Buffer, use: (section: Buffer) => T, ownership: Ownership): T {
  try {
    return use(section);
  } finally {
    if (ownership === 'lent') releaseSection(section);
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => systemClock.endOfTurn(resolve));
}

async function inSlices(outputBytes: number, begin: (to: Buffer) => SlicedDecoder): Promise<Buffer> {
  const out = allocateSection(outputBytes);
  try {
    const decoder = begin(out);
    for (let stop = sliceBytes; !decoder.advance(stop); stop += sliceBytes) await turn();
    return out;
  } catch (error) {
    releaseSection(out);
    throw error;
  }
}

/**
 * Uses the framing that Java clients write and every client reads. Only zlib, among the libraries, has levels. Throws
 * CodecUnavailable.
 */
export async function compress(codecId: number, bytes: Buffer, gzipLevel = gzipLevelUsual): Promise<Buffer> {
  switch (codecId) {
    case codec.none:
      return bytes;
    case codec.gzip:
      return gzipAsync(bytes, { level: gzipLevel });
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

const gzipAsync = promisify<Buffer, ZlibOptions, Buffer>(gzip);
const gzipLevelUsual = constants.Z_DEFAULT_COMPRESSION;

async function gunzip<T>(
  bytes: Buffer,
  bytesMax: number,
  pass: (outputBytes: number, decode: () => Promise<Buffer>) => Promise<T>,
): Promise<T> {
  const boundBytes = gunzipBound(bytes, bytesMax);
  const stated = statedBytes(bytes);
  try {
    if (stated <= boundBytes) {
      const whole = await pass(stated, () => gunzipStated(bytes, stated)).catch(unlessBeyond);
      if (whole !== beyond) return whole;
    }
    return await pass(boundBytes, () => gunzipPieces(bytes, bytesMax));
  } catch (error) {
    if (error instanceof GunzipLimit) throw new DecompressedTooLarge(bytesMax);
    throw error;
  }
}

const beyond = Symbol('more than stated');

function unlessBeyond(error: unknown): typeof beyond {
  if (error instanceof GunzipLimit) return beyond;
  throw error;
}

// --- snappy ---

/** The block size of Java clients; their decoder sizes its buffers by it. */
const xerialBlockBytes = 32 * 1024;

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

// --- zstd ---

async function unzstd(library: typeof import('@mongodb-js/zstd'), bytes: Buffer, bytesMax: number): Promise<Buffer> {
  let out: Buffer;
  try {
    out = await library.decompress(bytes);
  } catch (error) {
    throw new CorruptBatch(`zstd: ${(error as Error).message}`);
  }
  if (out.length > bytesMax) throw new DecompressedTooLarge(bytesMax);
  return out;
}

// --- libraries, loaded on first use ---

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
