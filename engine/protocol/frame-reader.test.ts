import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Overloaded } from '../kernel/failure.ts';
import { MalformedFrame } from './malformed-frame.ts';
import { FrameReader } from './frame-reader.ts';

const eagerBytes = 1088 * 1024;

function framed(bytes: Buffer): Buffer {
  const prefix = Buffer.alloc(4);
  prefix.writeInt32BE(bytes.length);
  return Buffer.concat([prefix, bytes]);
}

describe('FrameReader', () => {
  it('finds the same frames however the stream is cut, each in memory of its own', () => {
    const payload = fc.uint8Array({ maxLength: 50 }).map((bytes) => Buffer.from(bytes));
    fc.assert(
      fc.property(fc.array(payload, { maxLength: 8 }), fc.array(fc.integer({ min: 1, max: 20 })), (payloads, cuts) => {
        const stream = Buffer.concat(payloads.map(framed));
        const found: Buffer[] = [];
        const reader = new FrameReader(50, eagerBytes, {
          received: (frame) => void found.push(frame),
          charge: () => undefined,
        });
        const receive = Buffer.alloc(64);
        let at = 0;
        for (let i = 0; at < stream.length; i++) {
          const taken = Math.min(cuts[i % Math.max(1, cuts.length)] ?? 7, stream.length - at);
          stream.copy(receive, 0, at, at + taken);
          reader.push(receive, taken);
          receive.fill(0xee);
          at += taken;
        }
        expect(found).toEqual(payloads);
      }),
    );
  });

  it('grows a large frame with what arrives, to exactly its size', () => {
    const payload = Buffer.alloc(5 * 1024 * 1024 + 3, 7);
    const found: Buffer[] = [];
    const reader = new FrameReader(payload.length, eagerBytes, {
      received: (frame) => void found.push(frame),
      charge: () => undefined,
    });
    const stream = framed(payload);
    for (let at = 0; at < stream.length; at += 100_000) {
      const chunk = stream.subarray(at, at + 100_000);
      reader.push(chunk, chunk.length);
    }
    expect(found).toHaveLength(1);
    expect(found[0]!.equals(payload)).toBe(true);
  });

  it.each([51, -1])('refuses a frame of %i bytes before it comes', (size) => {
    const prefix = Buffer.alloc(4);
    prefix.writeInt32BE(size);
    const reader = new FrameReader(50, eagerBytes, { received: () => undefined, charge: () => undefined });
    expect(() => reader.push(prefix, 4)).toThrow(MalformedFrame);
  });

  it('charges a large frame as it grows, in sum its size, and stops where the charge is refused', () => {
    const payload = Buffer.alloc(5 * 1024 * 1024 + 3, 7);
    let charged = 0;
    const growing = new FrameReader(payload.length, eagerBytes, {
      received: () => undefined,
      charge: (bytes) => void (charged += bytes),
    });
    const stream = framed(payload);
    growing.push(stream, 4);
    expect(charged).toBe(eagerBytes);
    growing.push(stream.subarray(4), payload.length);
    expect(charged).toBe(payload.length);

    const bytesMax = 3 * 1024 * 1024;
    let taken = 0;
    const refused = new FrameReader(payload.length, eagerBytes, {
      received: () => undefined,
      charge: (bytes, frameBytes) => {
        expect(frameBytes).toBe(payload.length);
        if (taken + bytes > bytesMax) throw new Overloaded('too much');
        taken += bytes;
      },
    });
    expect(() => refused.push(stream, stream.length)).toThrow(Overloaded);
    expect(taken).toBeLessThanOrEqual(bytesMax);
  });
});
