import { describe, expect, it } from 'vitest';
import { batchField, codec, restamp } from '../../engine/records/batch.ts';
import { recompressBatch } from '../../engine/records/decode.ts';
import { encodeBatch } from '../../engine/records/encode.ts';
import type { Delivery } from '../operations/subscribe.ts';
import { UnreadableRecords } from '../operations/records-to-json.ts';
import { chunkFrame, SharedFrames } from './shared-frames.ts';

const topicId = 'topic-id';

function delivery(offset: number, values: readonly string[], valueBytes = 0): Delivery {
  const padded = values.map((value) => value.padEnd(valueBytes, '.'));
  const batch = encodeBatch(padded.map((value) => ({ key: null, value: Buffer.from(value), timestampMs: 5 })));
  restamp(batch, 0, offset, 0);
  const nextOffset = offset + values.length;
  return { partition: 3, fromOffset: offset, nextOffset, batch, records: values.length, highWatermark: nextOffset };
}

describe('SharedFrames', () => {
  it('builds the JSON of a range once, and its frame once for subscribers with the same number and cursor', async () => {
    const frames = new SharedFrames(1_000);
    const asked = delivery(7, ['a', 'b']);
    const first = frames.chunks(topicId, asked, 'string');
    expect(frames.chunks(topicId, delivery(7, ['a', 'b']), 'string')).toBe(first);
    const made = await first;
    expect(frames.chunks(topicId, asked, 'string')).toBe(made);
    const [chunk] = made;
    const frame = chunkFrame(chunk!, 1, 'cursor');
    expect(JSON.parse(frame.toString())).toMatchObject({
      event: 'batch',
      sub: 1,
      partition: 3,
      base: 7,
      records: [
        { offset: 7, value: 'a' },
        { offset: 8, value: 'b' },
      ],
      next: 'cursor',
    });
    expect(chunkFrame(chunk!, 1, 'cursor')).toBe(frame);
    expect(JSON.parse(chunkFrame(chunk!, 2, 'cursor').toString())).toMatchObject({ sub: 2 });
    expect(JSON.parse(chunkFrame(chunk!, 2, 'other').toString())).toMatchObject({ next: 'other' });
  });

  it('shares one decompression among concurrent callers; an unreadable batch fails for both', async () => {
    const frames = new SharedFrames(1_000);
    const plain = delivery(7, ['a', 'b']);
    const packed = { ...plain, batch: await recompressBatch(Buffer.from(plain.batch), codec.gzip) };
    const first = frames.chunks(topicId, packed, 'string');
    expect(first).toBeInstanceOf(Promise);
    expect(frames.chunks(topicId, packed, 'string')).toBe(first);
    expect(frames.chunks(topicId, packed, 'base64')).not.toBe(first);
    const made = await first;
    expect(made[0]!.records.toString()).toContain('"b"');
    expect(frames.chunks(topicId, packed, 'string')).toBe(made);
    const broken = { ...packed, batch: Buffer.from(packed.batch).fill(0xff, batchField.records), nextOffset: 8 };
    const refused = frames.chunks(topicId, broken, 'string');
    expect(frames.chunks(topicId, broken, 'string')).toBe(refused);
    await expect(refused).rejects.toThrow(UnreadableRecords);
    // The failure is not cached: the next call tries again.
    await expect(frames.chunks(topicId, broken, 'string')).rejects.toThrow(UnreadableRecords);
  });

  it('keeps formats, ranges, partitions and topics apart', async () => {
    const frames = new SharedFrames(1_000);
    const text = await frames.chunks(topicId, delivery(0, ['a', 'b']), 'string');
    const base64 = await frames.chunks(topicId, delivery(0, ['a', 'b']), 'base64');
    expect(base64[0]!.records).not.toBe(text[0]!.records);
    const part = await frames.chunks(topicId, { ...delivery(0, ['a', 'b']), nextOffset: 1 }, 'string');
    expect(part[0]!.endOffset).toBe(1);
    const other = await frames.chunks('another', delivery(0, ['c']), 'string');
    expect(other[0]!.records.toString()).toContain('"c"');
  });

  it('keeps a bounded number of bytes, the newest ones', async () => {
    const frames = new SharedFrames(1_000);
    const made = [];
    for (let i = 0; i < 40; i++) made.push(frames.chunks(topicId, delivery(i, ['v'], 500_000), 'string'));
    expect(frames.bytes).toBeLessThanOrEqual(16 * 1024 * 1024);
    const again = (offset: number) => frames.chunks(topicId, delivery(offset, ['v'], 500_000), 'string');
    expect(again(39)).toBe(made[39]);
    expect(again(0)).not.toBe(made[0]);
  });

  it('shares a binary frame among subscribers with the same number and batch', () => {
    const frames = new SharedFrames(1_000);
    const one = delivery(0, ['a']);
    const frame = frames.binary(1, one);
    expect(frames.binary(1, one)).toBe(frame);
    expect(frames.binary(2, one)).not.toBe(frame);
    const large = delivery(0, ['a'], 300_000);
    expect(frames.binary(1, large)).toBe(frames.binary(1, large));
    // Subscribers in step ask for several batches in turn, repeatedly.
    const several = Array.from({ length: 10 }, (_, i) => delivery(i, [String(i)]));
    const first = several.map((each) => frames.binary(1, each));
    expect(several.map((each) => frames.binary(1, each))).toEqual(first);
    for (const [i, each] of several.entries()) expect(frames.binary(1, each)).toBe(first[i]);
    // Another batch of the same shape is not mistaken for it.
    expect(frames.binary(1, delivery(1, ['b'])).subarray(3)).toEqual(delivery(1, ['b']).batch);
  });
});
