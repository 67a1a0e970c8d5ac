import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FramePool, framePoolDefaults, SharedFrame } from './frame-pool.ts';

const KiB = 1024;
const pool = (keptBytesMax = 1024 * KiB): FramePool =>
  new FramePool({ ...framePoolDefaults, keptBytesMax, poisons: true });

describe('FramePool', () => {
  it('reuses the memory of a frame for the next of about its size', () => {
    const frames = pool();
    const first = frames.take(100 * KiB);
    frames.give(first);
    const second = frames.take(99 * KiB);
    expect(second.buffer).toBe(first.buffer);
    expect(second.length).toBe(99 * KiB);
    expect(frames.take(99 * KiB).buffer).not.toBe(first.buffer);
  });

  it('overwrites returned memory, for tests', () => {
    const frames = pool();
    const frame = frames.take(20 * KiB).fill(1);
    const view = frame.subarray(5, 10);
    frames.give(frame);
    expect([...view]).toEqual([0xdb, 0xdb, 0xdb, 0xdb, 0xdb]);
  });

  it('rejects memory that is small, large, foreign or already returned', () => {
    const frames = pool(64 * 1024 * KiB);
    for (const size of [0, 1, 4 * KiB - 1, 20 * 1024 * KiB + 1]) frames.give(frames.take(size));
    expect(frames.keptBytes).toBe(0);
    expect(() => frames.give(Buffer.alloc(20 * KiB))).toThrow('given back once');
    const frame = frames.take(20 * KiB);
    frames.give(frame);
    expect(() => frames.give(frame)).toThrow('given back once');
  });

  it("releases slices of Node's pool, however large that is", () => {
    const frames = pool();
    const { poolSize } = Buffer;
    // The value since Node 24; the rest of the current pool is used up first.
    Buffer.poolSize = 64 * KiB;
    try {
      let frame = frames.take(KiB);
      for (let i = 0; frame.buffer.byteLength !== 64 * KiB && i < 100; i++) frame = frames.take(KiB);
      expect(frame.buffer.byteLength).toBe(64 * KiB);
      frames.give(frame);
      frames.give(frame.subarray(1));
      expect(frames.keptBytes).toBe(0);
    } finally {
      Buffer.poolSize = poolSize;
    }
  });

  it('keeps no more than its bound, and releases what nobody needs', () => {
    const frames = pool(100 * KiB);
    const taken = Array.from({ length: 5 }, () => frames.take(32 * KiB));
    for (const frame of taken) frames.give(frame);
    expect(frames.keptBytes).toBe(96 * KiB);
    frames.trim();
    expect(frames.keptBytes).toBe(96 * KiB);
    // Between these two calls one frame at a time is enough.
    frames.give(frames.take(32 * KiB));
    frames.trim();
    expect(frames.keptBytes).toBe(32 * KiB);
    frames.trim();
    frames.trim();
    expect(frames.keptBytes).toBe(0);
  });

  it('makes room for the sizes in demand by dropping those no longer in demand', () => {
    const frames = pool(128 * KiB);
    for (const frame of Array.from({ length: 4 }, () => frames.take(32 * KiB))) frames.give(frame);
    expect(frames.keptBytes).toBe(128 * KiB);
    const large = frames.take(64 * KiB);
    frames.give(large);
    expect(frames.keptBytes).toBe(128 * KiB);
    expect(frames.take(64 * KiB).buffer).toBe(large.buffer);
    // Two of the smaller frames are left, and those are in use from here on.
    frames.give(frames.take(32 * KiB));
    frames.give(large);
    expect(frames.keptBytes).toBe(128 * KiB);
    frames.give(frames.take(32 * KiB));
    frames.give(frames.take(16 * KiB));
    expect(frames.take(64 * KiB).buffer).not.toBe(large.buffer);
  });

  it('never lends memory that is in use', () => {
    const step = fc.record({ size: fc.integer({ min: 4 * KiB, max: 80 * KiB }), give: fc.nat(), gives: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const frames = pool(200 * KiB);
        const out: { frame: Buffer; mark: number }[] = [];
        for (const [mark, { size, give, gives }] of steps.entries()) {
          out.push({ frame: frames.take(size).fill(mark), mark });
          if (gives) frames.give(out.splice(give % out.length, 1)[0]!.frame);
          for (const held of out) {
            expect(held.frame[0]).toBe(held.mark);
            expect(held.frame.at(-1)).toBe(held.mark);
          }
        }
      }),
      { numRuns: 50 },
    );
  });
});

describe('SharedFrame', () => {
  it('returns to the pool with its last view', () => {
    const frames = pool();
    const shared = new SharedFrame(frames.take(32 * KiB), frames);
    shared.hold();
    shared.drop();
    expect(frames.keptBytes).toBe(0);
    shared.drop();
    expect(frames.keptBytes).toBe(32 * KiB);
    expect(() => shared.drop()).toThrow('ends once');
    expect(() => shared.hold()).toThrow('still there');
  });

  it('is not reused if a view has no known end', () => {
    const frames = pool();
    const shared = new SharedFrame(frames.take(32 * KiB), frames);
    shared.escape();
    shared.drop();
    expect(frames.keptBytes).toBe(0);
  });
});
