/**
 * Gzip on the thread pool, into one piece of memory when the data's end states its length. zlib returns pieces. At the
 * usual 16 KiB a bomb makes thousands of them; they lie between all other allocations of the process, keep its heap from
 * shrinking, and are copied together at the end, so that everything exists twice.
 */
import { createGunzip } from 'node:zlib';
import { CorruptBatch } from './batch.ts';
import { allocateSection, releaseSection } from './section-memory.ts';

/** zlib needs room after its output to notice that it is finished. */
const roomBytes = 64;
/** Piece size for data with several members or a wrong length: large enough to be given back one by one. */
const pieceBytes = 1024 * 1024;
/** Header and trailer of a gzip member. */
const memberBytesMin = 18;
/** No deflate stream expands more than this (RFC 1951: 258 bytes from two bits). */
const ratioMax = 1032;

/** The output exceeds what was allowed. */
export class GunzipLimit extends Error {}

/** An upper bound on the whole output. */
export function gunzipBound(bytes: Buffer, bytesMax: number): number {
  return Math.min(bytesMax, bytes.length * ratioMax);
}

/** The output length of the last member, as the end of `bytes` states it. All senders we know write only one member. */
export function statedBytes(bytes: Buffer): number {
  return bytes.length < memberBytesMin ? 0 : bytes.readUInt32LE(bytes.length - 4);
}

/** Throws CorruptBatch, and GunzipLimit for one byte more than `bytesMax`. */
export function gunzipStated(bytes: Buffer, bytesMax: number): Promise<Buffer> {
  return inflate(bytes, bytesMax, bytesMax + roomBytes);
}

/** The same without trusting the stated length: `bytesMax` is only the limit. */
export function gunzipPieces(bytes: Buffer, bytesMax: number): Promise<Buffer> {
  return inflate(bytes, bytesMax, pieceBytes);
}

function inflate(bytes: Buffer, bytesMax: number, chunkSize: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const gunzip = createGunzip({ chunkSize });
    const pieces: Buffer[] = [];
    let total = 0;
    // In both cases zlib's thread is idle: it has reported an error, or waits for us to take its output.
    const refuse = (error: Error): void => {
      pieces.splice(0).forEach(releaseSection);
      reject(error);
    };
    gunzip.on('data', (piece: Buffer) => {
      pieces.push(piece);
      total += piece.length;
      if (total <= bytesMax) return;
      gunzip.destroy();
      refuse(new GunzipLimit());
    });
    gunzip.on('error', (error) => refuse(new CorruptBatch(`gzip: ${error.message}`)));
    gunzip.on('end', () => resolve(joined(pieces, total)));
    gunzip.end(bytes);
  });
}

/** Releases each piece as soon as it is copied, so that at most one piece exists twice. */
function joined(pieces: readonly Buffer[], total: number): Buffer {
  if (pieces.length === 1) return pieces[0]!;
  const all = allocateSection(total);
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
    releaseSection(piece);
  }
  return all;
}
