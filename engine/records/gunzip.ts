/**
 * Gzip on the thread pool, into one piece of memory where its end says how long it is. zlib hands over pieces: of the usual
 * 16 KiB a bomb makes thousands, which lie between everything else that the process allocates, keep its heap from shrinking,
 * and are copied together at the end, so that all is there twice.
 */
import { createGunzip } from 'node:zlib';
import { CorruptBatch } from './batch.ts';
import { allocateSection, releaseSection } from './section-memory.ts';

/** zlib wants room behind what it writes to see that it is done. */
const roomBytes = 64;
/** Pieces of what has several members or says something else than it is: large enough to be given back one by one. */
const pieceBytes = 1024 * 1024;
/** Header and trailer of a member. */
const memberBytesMin = 18;
/** No deflate stream expands further (RFC 1951: 258 bytes from two bits). */
const ratioMax = 1032;

/** More comes out than was allowed. */
export class GunzipLimit extends Error {}

/** Of all that comes out, at most. */
export function gunzipBound(bytes: Buffer, bytesMax: number): number {
  return Math.min(bytesMax, bytes.length * ratioMax);
}

/** What the end of `bytes` says is in the last member: of all senders that we know the only one. */
export function statedBytes(bytes: Buffer): number {
  return bytes.length < memberBytesMin ? 0 : bytes.readUInt32LE(bytes.length - 4);
}

/** Throws CorruptBatch, and GunzipLimit for one byte more than `bytesMax`. */
export function gunzipStated(bytes: Buffer, bytesMax: number): Promise<Buffer> {
  return inflate(bytes, bytesMax, bytesMax + roomBytes);
}

/** The same without trust: `bytesMax` is only what is allowed. */
export function gunzipPieces(bytes: Buffer, bytesMax: number): Promise<Buffer> {
  return inflate(bytes, bytesMax, pieceBytes);
}

function inflate(bytes: Buffer, bytesMax: number, chunkSize: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const gunzip = createGunzip({ chunkSize });
    const pieces: Buffer[] = [];
    let total = 0;
    // In both cases zlib's thread is not at work: it has told of an error, or waits for us to take what it has told of.
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

/** Each piece goes as soon as it is copied, so that no more than one of them is there twice. */
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
