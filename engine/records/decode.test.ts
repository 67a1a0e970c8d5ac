import { createRequire } from 'node:module';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  batchCrc,
  batchErrorCode,
  batchField,
  batchHeaderBytes,
  codec,
  compression,
  CorruptBatch,
  isBatchFault,
  restamp,
  stampLogAppendTime,
  validateBatch,
  type Codec,
} from './batch.ts';
import { compress } from './compression.ts';
import { decodeBatch, forEachRecord, recompressBatch, validateRecords, type DecodedRecord } from './decode.ts';
import { BatchBuilder, batchFull, encodeBatch, type RecordInput, withRecordsSection } from './encode.ts';

const load = createRequire(import.meta.url);

const span = fc.option(fc.uint8Array({ maxLength: 80 }).map((bytes) => Buffer.from(bytes)));
const header = fc.record({ key: fc.string({ unit: 'grapheme', maxLength: 12 }), value: span });
const record = fc.record({
  key: span,
  value: span,
  headers: fc.array(header, { maxLength: 4 }),
  timestampMs: fc.integer({ min: 0, max: 2 ** 45 }),
});
const records = fc.array(record, { minLength: 1, maxLength: 40 });
const anyCodec = fc.constantFrom<Codec>(codec.none, codec.gzip, codec.snappy, codec.lz4, codec.zstd);

function expected(inputs: readonly RecordInput[], baseOffset: number): DecodedRecord[] {
  return inputs.map((input, i) => ({
    offset: baseOffset + i,
    timestampMs: input.timestampMs,
    key: input.key === null ? null : Buffer.from(input.key),
    value: input.value === null ? null : Buffer.from(input.value),
    headers: (input.headers ?? []).map(({ key, value }) => ({
      key,
      value: value === null ? null : Buffer.from(value),
    })),
  }));
}

describe('encode and decode', () => {
  it('round trip records, null keys and headers under every codec', async () => {
    await fc.assert(
      fc.asyncProperty(records, anyCodec, fc.maxSafeNat(), async (inputs, codecId, high) => {
        const baseOffset = Math.floor(high / 2);
        const plain = encodeBatch(inputs);
        restamp(plain, 0, baseOffset, 4);
        const batch = await recompressBatch(plain, codecId);
        expect(compression(batch, 0)).toBe(codecId);
        expect(isBatchFault(validateBatch(batch))).toBe(false);
        expect(await decodeBatch(batch)).toEqual(expected(inputs, baseOffset));
        const maxTimestampMs = Math.max(...inputs.map((input) => input.timestampMs));
        expect(await validateRecords(batch)).toEqual({ maxTimestampMs });
        expect((await recompressBatch(batch, codec.none)).equals(plain)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it('a builder is reusable, keeps its limit and returns bytes that it never touches again', () => {
    fc.assert(
      fc.property(records, fc.integer({ min: 62, max: 2000 }), (inputs, bytesMax) => {
        const builder = new BatchBuilder(bytesMax);
        const built: Buffer[] = [];
        const kept: RecordInput[] = [];
        for (const input of inputs) {
          let delta = builder.append(input.key, input.value, input.headers, input.timestampMs);
          if (delta === batchFull && builder.count > 0) {
            built.push(builder.build());
            delta = builder.append(input.key, input.value, input.headers, input.timestampMs);
          }
          if (delta !== batchFull) kept.push(input);
        }
        if (builder.count > 0) built.push(builder.build());
        const values: (Buffer | null)[] = [];
        for (const batch of built) {
          expect(batch.length).toBeLessThanOrEqual(bytesMax);
          expect(isBatchFault(validateBatch(batch))).toBe(false);
          forEachRecord(batch, (_offset, _ms, _key, value) => void values.push(value));
        }
        expect(values).toEqual(expected(kept, 0).map((r) => r.value));
      }),
    );
  });

  it('grows past its first buffer', () => {
    const builder = new BatchBuilder(1 << 20);
    const value = Buffer.alloc(1000, 7);
    for (let i = 0; i < 500; i++) expect(builder.append(null, value, undefined, i)).toBe(i);
    const batch = builder.build({ producerId: 1, producerEpoch: 0, baseSequence: 0 });
    let seen = 0;
    forEachRecord(batch, (offset, timestampMs, key, got) => {
      expect([offset, timestampMs, key]).toEqual([seen, seen, null]);
      expect(got!.equals(value)).toBe(true);
      seen++;
    });
    expect(seen).toBe(500);
  });

  it('stops when the visitor says so and reads LogAppendTime from the header', () => {
    const batch = encodeBatch([1, 2, 3].map((timestampMs) => ({ key: null, value: null, timestampMs })));
    stampLogAppendTime(batch, 0, 777);
    const seen: number[] = [];
    forEachRecord(batch, (offset, timestampMs) => {
      seen.push(timestampMs);
      return offset < 1 ? undefined : false;
    });
    expect(seen).toEqual([777, 777]);
  });
});

describe('damaged records', () => {
  it('any changed byte causes a typed failure or decodes to some records, never another error', async () => {
    await fc.assert(
      fc.asyncProperty(records, anyCodec, fc.nat(), fc.integer({ min: 1, max: 255 }), async (inputs, id, at, xor) => {
        const batch = await recompressBatch(encodeBatch(inputs), id);
        const index = batchHeaderBytes + (at % (batch.length - batchHeaderBytes));
        batch[index]! ^= xor;
        expect(validateBatch(batch)).toMatchObject({ errorCode: batchErrorCode.corruptMessage });
        // Deep checks face a client that computed the CRC over its nonsense.
        const verdict = await validateRecords(batch, { decompressedBytesMax: 1 << 20 });
        const decoded = await decodeBatch(batch, 1 << 20).catch((error: Error) => error);
        if (isBatchFault(verdict)) return;
        expect(decoded).toHaveLength(inputs.length);
      }),
      { numRuns: 150 },
    );
  });

  it('invalid records that pass with a valid checksum, even an invalid header, can be read by every reader', async () => {
    const byte = fc.oneof(fc.constantFrom(0, 1, 2, 0x0f, 0x10, 0x7f, 0x80, 0xff), fc.nat(0xff));
    const crcEnd = batchField.attributes;
    // Short ones: of a few bytes each is hit often.
    const short = fc.option(fc.uint8Array({ maxLength: 3 }).map((bytes) => Buffer.from(bytes)));
    const headers = fc.array(fc.record({ key: fc.string({ maxLength: 2 }), value: short }), { maxLength: 2 });
    const oneShort = fc.record({ key: short, value: short, headers, timestampMs: fc.nat() });
    const few = fc.array(fc.oneof(oneShort, record), { minLength: 1, maxLength: 3 });
    const edit = fc.record({ isInHeader: fc.boolean(), at: fc.nat(), byte });
    const edits = fc.array(edit, { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(few, anyCodec, edits, async (inputs, id, all) => {
        const batch = await recompressBatch(encodeBatch(inputs), id);
        for (const { isInHeader, at, byte: changed } of all) {
          const [from, to] = isInHeader ? [crcEnd, batchHeaderBytes] : [batchHeaderBytes, batch.length];
          batch[from + (at % (to - from))] = changed;
        }
        batch.writeUInt32BE(batchCrc(batch, 0), batchField.crc);
        const header = validateBatch(batch);
        if (isBatchFault(header) || isBatchFault(await validateRecords(batch, { decompressedBytesMax: 1 << 20 })))
          return;
        expect(await decodeBatch(batch, 1 << 20)).toHaveLength(header.count);
      }),
      { numRuns: 150 },
    );
  });

  it('reports headers that no reader would accept', async () => {
    const withHeaders = (headers: RecordInput['headers'], fromEnd: number): Buffer => {
      const batch = encodeBatch([{ key: null, value: null, timestampMs: 1, headers: headers ?? [] }]);
      // -1, as a varint.
      batch[batch.length - fromEnd] = 1;
      return batch;
    };
    for (const [batch, message] of [
      [withHeaders([], 1), 'header count -1'],
      [withHeaders([{ key: '', value: null }], 2), 'header with a null key'],
    ] as const) {
      expect(await validateRecords(batch)).toEqual({ errorCode: batchErrorCode.invalidRecord, message });
      await expect(decodeBatch(batch)).rejects.toThrow(message);
    }
  });

  it('reports offset deltas out of order and records without a key', async () => {
    const one = encodeBatch([{ key: null, value: null, timestampMs: 1 }]);
    const section = one.subarray(batchHeaderBytes);
    const twice = withRecordsSection(one, Buffer.concat([section, section]), codec.none);
    twice.writeInt32BE(2, batchField.count);
    expect(await validateRecords(twice)).toMatchObject({ errorCode: 87, message: 'record 1 has offset delta 0' });
    const mixed = encodeBatch(
      ['a', null, 'c'].map((key) => ({ key: key ? Buffer.from(key) : null, value: null, timestampMs: 1 })),
    );
    expect(await validateRecords(mixed, { requiresKey: true })).toMatchObject({ errorCode: 87, recordIndexes: [1] });
    expect(await validateRecords(mixed)).toEqual({ maxTimestampMs: 1 });
  });

  it('refuses trailing bytes, and a bomb as too large', async () => {
    const one = encodeBatch([{ key: null, value: null, timestampMs: 1 }]);
    const trailing = withRecordsSection(
      one,
      Buffer.concat([one.subarray(batchHeaderBytes), Buffer.alloc(3)]),
      codec.none,
    );
    expect(() => forEachRecord(trailing, () => undefined)).toThrow(CorruptBatch);
    const bomb = withRecordsSection(one, await compress(codec.gzip, Buffer.alloc(1 << 20)), codec.gzip);
    expect(await validateRecords(bomb, { decompressedBytesMax: 1 << 16 })).toMatchObject({ errorCode: 10 });
  });
});

interface KafkaRecord {
  offset: string;
  timestamp: string;
  key: Buffer | null;
  value: Buffer | null;
  headers: Record<string, Buffer>;
}

describe('kafkajs', () => {
  const { RecordBatch } = load('kafkajs/src/protocol/recordBatch/v0/index.js') as {
    RecordBatch: (options: object) => Promise<{ buffer: Buffer }>;
  };
  const encodeRecord = load('kafkajs/src/protocol/recordBatch/record/v0/index.js') as (options: object) => object;
  const decodeTheirs = load('kafkajs/src/protocol/recordBatch/v0/decoder.js') as (
    decoder: object,
  ) => Promise<{ records: KafkaRecord[]; producerId: string; firstSequence: number }>;
  const Decoder = load('kafkajs/src/protocol/decoder.js') as new (bytes: Buffer) => object;
  // Our readers take a missing header value as null; kafkajs cannot write one, so theirs always have a value.
  const theirs = fc.array(
    fc.record({
      key: span,
      value: span,
      headers: fc.dictionary(
        fc.string({ maxLength: 8 }),
        fc.uint8Array({ maxLength: 20 }).map((b) => Buffer.from(b)),
      ),
      timestampMs: fc.integer({ min: 0, max: 2 ** 40 }),
    }),
    { minLength: 1, maxLength: 10 },
  );

  it('writes batches that we decode', async () => {
    await fc.assert(
      fc.asyncProperty(theirs, fc.constantFrom(0, 1), async (inputs, codecId) => {
        const first = inputs[0]!.timestampMs;
        const { buffer } = await RecordBatch({
          compression: codecId,
          firstTimestamp: first,
          maxTimestamp: Math.max(...inputs.map((r) => r.timestampMs)),
          lastOffsetDelta: inputs.length - 1,
          records: inputs.map(({ key, value, headers, timestampMs }, offsetDelta) =>
            encodeRecord({ offsetDelta, timestampDelta: timestampMs - first, key, value, headers }),
          ),
        });
        expect(validateBatch(buffer)).toMatchObject({ count: inputs.length });
        expect(isBatchFault(await validateRecords(buffer))).toBe(false);
        const flat = inputs.map((input) => ({
          ...input,
          headers: Object.entries(input.headers).map(([key, value]) => ({ key, value })),
        }));
        expect(await decodeBatch(buffer)).toEqual(expected(flat, 0));
      }),
      { numRuns: 50 },
    );
  });

  it('decodes batches that we write', async () => {
    await fc.assert(
      fc.asyncProperty(theirs, fc.constantFrom(codec.none, codec.gzip), async (inputs, codecId) => {
        const flat = inputs.map((input) => ({
          ...input,
          headers: Object.entries(input.headers).map(([key, value]) => ({ key, value })),
        }));
        const plain = encodeBatch(flat, { producerId: 7, producerEpoch: 1, baseSequence: 3 });
        restamp(plain, 0, 5_000_000_000, 1);
        const batch = await recompressBatch(plain, codecId);
        const decoded = await decodeTheirs(new Decoder(batch));
        expect(decoded).toMatchObject({ producerId: '7', firstSequence: 3 });
        for (const [i, got] of decoded.records.entries()) {
          expect(got.offset).toBe(String(5_000_000_000 + i));
          expect(got.timestamp).toBe(String(inputs[i]!.timestampMs));
          expect(got.key).toEqual(inputs[i]!.key);
          expect(got.value).toEqual(inputs[i]!.value);
          expect(Object.keys(got.headers)).toHaveLength(Object.keys(inputs[i]!.headers).length);
        }
      }),
      { numRuns: 50 },
    );
  });
});
