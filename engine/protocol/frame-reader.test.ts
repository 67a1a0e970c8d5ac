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
        expect(found.map((frame) => frame.toString('hex'))).toEqual(payloads.map((each) => each.toString('hex')));
      }),
    );
  });

  it('finds the same frames whatever their sizes, however they grow and wherever they are received', () => {
    const whole = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 7) ^ (i >> 8)));
    const edges = [0, 1, 4095, 4096, 65_535, 65_536, 65_537, 262_143, 262_144, 262_145];
    const sizes = fc.array(fc.oneof(fc.nat(50), fc.constantFrom(...edges), fc.nat(300_000)), { maxLength: 5 });
    const cut = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.constantFrom(4096, 65_536), fc.nat(300_000));
    const cuts = fc.array(cut, { minLength: 1, maxLength: 8 });
    const shared = Buffer.alloc(128 * 1024);
    fc.assert(
      fc.property(sizes, cuts, fc.constantFrom(1, 100, 65_536, eagerBytes), (all, taking, eager) => {
        const payloads = all.map((size, i) => whole.subarray(Math.min(i, 300_000 - size)).subarray(0, size));
        const stream = Buffer.concat(payloads.map(framed));
        const found: Buffer[] = [];
        let charged = 0;
        const reader = new FrameReader(300_000, eager, {
          received: (frame) => void found.push(frame),
          charge: (bytes) => void (charged += bytes),
        });
        for (let at = 0, i = 0; at < stream.length; i++) {
          const target = reader.target(shared);
          // Every other read is large enough for a long stream to end soon.
          const readBytes = i % 2 === 0 ? Math.max(1, taking[(i >> 1) % taking.length]!) : 1 + (stream.length >> 4);
          const taken = stream.copy(target, 0, at, Math.min(at + readBytes, stream.length));
          reader.push(target, taken);
          // What it received in place is the frame's own.
          shared.fill(0xee, 0, Math.min(taken, shared.length));
          at += taken;
        }
        expect(found.map((frame, i) => frame.equals(payloads[i]!))).toEqual(all.map(() => true));
        expect(charged).toBe(all.reduce((sum, size) => sum + size, 0));
      }),
      { numRuns: 60 },
    );
  });

  it('finds the same frames in bytes received into its own buffer', () => {
    const sizes = [300_000, 5, 1_000_000, 262_144, 0, 70_000, 2_000_000, 400_000, 3];
    const payloads = sizes.map((size, i) => Buffer.alloc(size, i + 1));
    const stream = Buffer.concat(payloads.map(framed));
    for (const readBytes of [1 << 20, 100_000, 4099]) {
      const found: Buffer[] = [];
      const reader = new FrameReader(stream.length, eagerBytes, {
        received: (frame) => void found.push(frame),
        charge: () => undefined,
      });
      const shared = Buffer.alloc(256 * 1024);
      for (let at = 0; at < stream.length; ) {
        const target = reader.target(shared);
        // Behind a large frame.
        if (at === 300_004) expect(target.length).toBeLessThan(10_000);
        const taken = stream.copy(target, 0, at, Math.min(at + readBytes, stream.length));
        reader.push(target, taken);
        shared.fill(0xee);
        at += taken;
      }
      expect(found.map((frame) => frame.length)).toEqual(sizes);
      expect(found.every((frame, i) => frame.equals(payloads[i]!))).toBe(true);
    }
  });

  it('grows a large frame as bytes arrive, to exactly its size', () => {
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

  it.each([51, -1])('refuses a frame of %i bytes before it arrives', (size) => {
    const prefix = Buffer.alloc(4);
    prefix.writeInt32BE(size);
    const reader = new FrameReader(50, eagerBytes, { received: () => undefined, charge: () => undefined });
    expect(() => reader.push(prefix, 4)).toThrow(MalformedFrame);
  });

  it('charges a large frame as it grows, its size in total, and stops when a charge is refused', () => {
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
