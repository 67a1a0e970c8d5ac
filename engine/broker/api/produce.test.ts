import { expect, it } from 'vitest';
import { SharedFrame } from '../../kernel/frame-pool.ts';
import type { AppendOutcome } from '../../log/log.ts';
import { VirtualClock } from '../../link/virtual-clock.suite.ts';
import { errorCode } from '../../protocol/error-codes.ts';
import { produceRequest } from '../../protocol/messages/00-produce.ts';
import { make } from '../../protocol/make.ts';
import {
  attributeBit,
  batchCrc,
  batchField,
  batchHeaderBytes,
  codec,
  compression,
  isIntactBatch,
  maxTimestamp,
  stampMaxTimestamp,
  timestampType,
} from '../../records/batch.ts';
import { writeI32 } from '../../records/bytes.ts';
import { decodeBatch, recompressBatch } from '../../records/decode.ts';
import { encodeBatch, type RecordInput } from '../../records/encode.ts';
import type { Owned, Ownership } from '../ownership.ts';
import { produce } from './00-produce.ts';

const taken: AppendOutcome = {
  errorCode: 0,
  baseOffset: 0,
  logAppendTimeMs: -1,
  logStartOffset: 3,
  errorMessage: null,
};

/** The answer of a topic with these configs, whose log accepts every batch that reaches it. */
async function produced(
  configs: Readonly<Record<string, string>>,
  records: Buffer,
  onAppend: (batch: Buffer) => void = () => undefined,
): Promise<unknown> {
  const log = {
    startOffset: 3,
    leaderEpoch: 0,
    traffic: { wrote: () => undefined },
    append: (batch: Buffer, _header: object, _nowMs: number, done: (outcome: AppendOutcome) => void) => {
      onAppend(batch);
      done(taken);
    },
  };
  const ownership = {
    with: (_id: string, _partition: number, use: (owned: Owned) => void) =>
      use({ log, topic: { configs } } as unknown as Owned),
  } as unknown as Ownership;
  const topicData = [{ name: 't', partitionData: [{ index: 0, records }] }];
  const request = make(produceRequest, { acks: -1, topicData });
  const frame = new SharedFrame(records);
  const response = await new Promise<{ responses: { partitionResponses: unknown[] }[] }>((resolve) =>
    produce(ownership, new VirtualClock(), request, frame, resolve),
  );
  return response.responses[0]!.partitionResponses[0];
}

function marked(): Buffer {
  const batch = Buffer.from(encodeBatch([{ key: null, value: Buffer.from('v'), timestampMs: 1 }]));
  batch[batchField.attributes + 1]! |= attributeBit.logAppendTime;
  writeI32(batch, batchField.crc, batchCrc(batch, 0));
  return batch;
}

it('treats a producer’s LogAppendTime as CreateTime', async () => {
  const batch = marked();
  expect(await produced({}, batch)).toMatchObject({ errorCode: 0, baseOffset: 0 });
  expect(timestampType(batch, 0)).toBe('create-time');
  expect(isIntactBatch(batch, 0)).toBe(true);
});

it('refuses a producer’s LogAppendTime if the topic sets its own', async () => {
  expect(await produced({ 'message.timestamp.type': 'LogAppendTime' }, marked())).toMatchObject({
    errorCode: errorCode.invalidTimestamp,
    logStartOffset: 3,
    recordErrors: [{ batchIndex: 0 }],
  });
});

it('names the records whose time the topic does not accept, compressed or not', async () => {
  const configs = { 'message.timestamp.after.max.ms': '10' };
  const nowMs = new VirtualClock().wallMs();
  const records = [0, 11, -1, 10, 12].map((ms) => ({ ...keyless, timestampMs: ms < 0 ? ms : nowMs + ms }));
  for (const codecId of [codec.none, codec.zstd] as const) {
    const batch = await recompressBatch(encodeBatch(records), codecId);
    expect(await produced(configs, batch)).toMatchObject({
      errorCode: errorCode.invalidTimestamp,
      recordErrors: [{ batchIndex: 1 }, { batchIndex: 4 }],
    });
  }
  // With both faults at once, Kafka reports the timestamp and names all records.
  expect(await produced({ ...configs, 'cleanup.policy': 'compact' }, encodeBatch(records.slice(0, 2)))).toMatchObject({
    errorCode: errorCode.invalidTimestamp,
    recordErrors: [{ batchIndex: 0 }, { batchIndex: 1 }],
  });
});

it('accepts a batch that begins with a record without a time', async () => {
  const nowMs = new VirtualClock().wallMs();
  const records = [-1, nowMs].map((timestampMs) => ({ ...keyless, timestampMs }));
  expect(await produced({ 'message.timestamp.before.max.ms': '10' }, encodeBatch(records))).toMatchObject({
    errorCode: 0,
  });
});

it('gives a batch whose largest time lies before its first one the largest time of its records, as Kafka does', async () => {
  const nowMs = new VirtualClock().wallMs();
  const records = [10, 30, 20].map((ms) => ({ ...keyless, timestampMs: nowMs + ms }));
  for (const codecId of [codec.none, codec.gzip] as const) {
    for (const wrongMs of [-1, nowMs]) {
      const batch = await recompressBatch(encodeBatch(records), codecId);
      stampMaxTimestamp(batch, 0, wrongMs);
      const stored: Buffer[] = [];
      expect(await produced({}, batch, (one) => stored.push(one))).toMatchObject({ errorCode: 0 });
      expect(stored.map((one) => [maxTimestamp(one, 0) - nowMs, isIntactBatch(one, 0)])).toEqual([[30, true]]);
      const kept: Buffer[] = [];
      stampMaxTimestamp(batch, 0, wrongMs);
      await produced({ 'message.timestamp.type': 'LogAppendTime' }, batch, (one) => kept.push(one));
      expect(kept.map((one) => maxTimestamp(one, 0))).toEqual([wrongMs]);
    }
    const unreadable = await recompressBatch(encodeBatch(records), codecId);
    unreadable.fill(0xff, batchHeaderBytes);
    stampMaxTimestamp(unreadable, 0, -1);
    expect(await produced({}, unreadable)).toMatchObject({ errorCode: errorCode.invalidRecord });
  }
});

it('refuses records whose time the topic does not accept, whatever largest time their batch states', async () => {
  const nowMs = new VirtualClock().wallMs();
  const records = [0, 11, 5].map((ms) => ({ ...keyless, timestampMs: nowMs + ms }));
  for (const wrongMs of [-1, -5, nowMs - 1]) {
    const batch = Buffer.from(encodeBatch(records));
    stampMaxTimestamp(batch, 0, wrongMs);
    expect(await produced({ 'message.timestamp.after.max.ms': '10' }, batch)).toMatchObject({
      errorCode: errorCode.invalidTimestamp,
      recordErrors: [{ batchIndex: 1 }],
      logStartOffset: 3,
    });
    const good = Buffer.from(encodeBatch(records));
    stampMaxTimestamp(good, 0, wrongMs);
    expect(await produced({ 'message.timestamp.before.max.ms': '10' }, good)).toMatchObject({ errorCode: 0 });
  }
  const early = encodeBatch([-11, 0].map((ms) => ({ ...keyless, timestampMs: nowMs + ms })));
  expect(await produced({ 'message.timestamp.before.max.ms': '10' }, early)).toMatchObject({
    errorCode: errorCode.invalidTimestamp,
    recordErrors: [{ batchIndex: 0 }],
  });
});

it('refuses a batch by the time in its header, whatever is inside', async () => {
  const batch = Buffer.from(encodeBatch([{ ...keyed, timestampMs: 1 }]));
  batch[batchField.attributes + 1]! |= codec.gzip;
  writeI32(batch, batchField.crc, batchCrc(batch, 0));
  expect(await produced({ 'message.timestamp.before.max.ms': '0' }, batch)).toMatchObject({
    errorCode: errorCode.invalidTimestamp,
    recordErrors: [],
  });
});

const keyed = { key: Buffer.from('k'), value: Buffer.from('v'), timestampMs: 1 };
const keyless = { key: null, value: Buffer.from('v'), timestampMs: 1 };

it('refuses only the records without a key in a compacted topic, compressed or not', async () => {
  const compacted = { 'cleanup.policy': 'compact,delete' };
  for (const codecId of [codec.none, codec.gzip, codec.snappy, codec.lz4, codec.zstd] as const) {
    const batchOf = (records: readonly RecordInput[]): Promise<Buffer> =>
      recompressBatch(encodeBatch(records), codecId);
    expect(await produced(compacted, await batchOf([keyed, keyed]))).toMatchObject({ errorCode: 0 });
    expect(await produced(compacted, await batchOf([keyed, keyless]))).toMatchObject({
      errorCode: errorCode.invalidRecord,
      logStartOffset: 3,
      recordErrors: [{ batchIndex: 1 }],
    });
    expect(await produced({ 'cleanup.policy': 'delete' }, await batchOf([keyless]))).toMatchObject({ errorCode: 0 });
  }
});

it('appends a batch in the codec of its topic', async () => {
  const sent = await recompressBatch(encodeBatch([keyed, keyed]), codec.gzip);
  const kept: Buffer[] = [];
  expect(await produced({ 'compression.type': 'lz4' }, sent, (batch) => kept.push(batch))).toMatchObject({
    errorCode: 0,
  });
  expect(await produced({ 'compression.type': 'gzip' }, sent, (batch) => kept.push(batch))).toMatchObject({
    errorCode: 0,
  });
  expect(kept.map((batch) => compression(batch, 0))).toEqual([codec.lz4, codec.gzip]);
  expect(kept[1]).toBe(sent);
  expect(await decodeBatch(kept[0]!)).toEqual(await decodeBatch(sent));
});
