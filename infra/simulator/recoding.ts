/**
 * Topics that are kept in another codec than their producers send (`compression.type`): a broker decompresses what comes, which takes
 * other threads some time, and keeps the order all the same. Here it is snappy that is kept uncompressed: both are decoded by code of
 * ours, so that nothing runs outside the world's clock; how long it takes the world says.
 */
import { below, type Random } from '../../engine/kernel/random.ts';
import { batchHeaderBytes, codec } from '../../engine/records/batch.ts';
import { DecompressionGate } from '../../engine/records/decompression-gate.ts';
import { withRecordsSection } from '../../engine/records/encode.ts';
import type { EventLoop } from './event-loop.ts';
import { methodOf, replaced } from './plant-parts.ts';

export const keptPlain: Readonly<Record<string, string>> = { 'compression.type': 'uncompressed' };

const decodeMsMax = 15;
/** Of a literal whose length takes one byte behind its tag. */
const literalBytesMax = 256;
const longLiteral = 60 << 2;

/** Snappy without a match: every byte as it is. */
function snappy(bytes: Buffer): Buffer {
  const parts: Buffer[] = [];
  let left = bytes.length;
  const length: number[] = [];
  for (; left >= 0x80; left >>>= 7) length.push((left & 0x7f) | 0x80);
  parts.push(Buffer.from([...length, left]));
  for (let at = 0; at < bytes.length; at += literalBytesMax) {
    const literal = bytes.subarray(at, at + literalBytesMax);
    parts.push(Buffer.from([longLiteral, literal.length - 1]), literal);
  }
  return Buffer.concat(parts);
}

export function compressed(batch: Buffer): Buffer {
  return withRecordsSection(batch, snappy(batch.subarray(batchHeaderBytes)), codec.snappy);
}

/** Until the returned function is called, every decompression takes time in the process that asked for it. */
export function takeTimeToDecode(loop: EventLoop, random: Random): () => void {
  const pass = methodOf(DecompressionGate.prototype, 'pass');
  return replaced(DecompressionGate.prototype, 'pass', async function <
    T,
  >(this: DecompressionGate, bytes: number, work: () => Promise<T>): Promise<T> {
    const { place } = loop;
    await new Promise<void>((resolve) => loop.schedule(below(random, decodeMsMax), resolve, place));
    return pass.call(this, bytes, work) as Promise<T>;
  });
}
