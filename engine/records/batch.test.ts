import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as batch from './batch.ts';
import { writeI32, writeI64 } from './bytes.ts';
import { encodeMarker, readMarker } from './control-batch.ts';
import { encodeBatch } from './encode.ts';

const code = batch.batchErrorCode;

function sample(count = 3, options = {}): Buffer {
  const records = Array.from({ length: count }, (_, i) => ({
    key: Buffer.from(`k${i}`),
    value: Buffer.from(`value ${i}`),
    timestampMs: 1000 + i,
  }));
  return encodeBatch(records, options);
}

/** A well-formed CRC over whatever `patch` did, so that the rule under test is what refuses. */
function patched(patch: (bytes: Buffer) => void, options = {}): Buffer {
  const bytes = sample(3, options);
  patch(bytes);
  writeI32(bytes, batch.batchField.crc, batch.batchCrc(bytes, 0));
  return bytes;
}

function errorOf(bytes: Buffer, rules?: batch.BatchRules): number | undefined {
  const verdict = batch.validateBatch(bytes, rules);
  return batch.isBatchFault(verdict) ? verdict.errorCode : undefined;
}

describe('batch views', () => {
  it('read what the encoder wrote, at any position', () => {
    const options = { producerId: 2 ** 40 + 5, producerEpoch: 7, baseSequence: 2 ** 31 - 1, isTransactional: true };
    const bytes = Buffer.concat([Buffer.alloc(13, 0xff), sample(3, options)]);
    expect(batch.batchSizeBytes(bytes, 13)).toBe(bytes.length - 13);
    expect(batch.baseOffset(bytes, 13)).toBe(0);
    expect(batch.lastOffset(bytes, 13)).toBe(2);
    expect(batch.baseTimestamp(bytes, 13)).toBe(1000);
    expect(batch.maxTimestamp(bytes, 13)).toBe(1002);
    expect(batch.recordCount(bytes, 13)).toBe(3);
    expect(batch.producerId(bytes, 13)).toBe(2 ** 40 + 5);
    expect(batch.producerEpoch(bytes, 13)).toBe(7);
    expect(batch.baseSequence(bytes, 13)).toBe(2 ** 31 - 1);
    expect(batch.leaderEpoch(bytes, 13)).toBe(-1);
    expect(batch.compression(bytes, 13)).toBe(0);
    expect(batch.isTransactional(bytes, 13)).toBe(true);
    expect(batch.isControl(bytes, 13)).toBe(false);
    expect(batch.timestampType(bytes, 13)).toBe('create-time');
    expect(batch.isIntactBatch(bytes, 13)).toBe(true);
  });

  it('restamp places a batch without touching its checksum', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.nat(0x7fffffff), (offset, epoch) => {
        const bytes = sample();
        const before = bytes.readUInt32BE(batch.batchField.crc);
        batch.restamp(bytes, 0, offset, epoch);
        expect(bytes.readBigInt64BE(0)).toBe(BigInt(offset));
        expect(batch.baseOffset(bytes, 0)).toBe(offset);
        expect(batch.leaderEpoch(bytes, 0)).toBe(epoch);
        expect(bytes.readUInt32BE(batch.batchField.crc)).toBe(before);
        expect(batch.isIntactBatch(bytes, 0)).toBe(true);
      }),
    );
  });

  it('stampLogAppendTime and stampProducer leave a valid checksum', () => {
    const bytes = sample();
    batch.stampLogAppendTime(bytes, 0, 5_000_000_000_000);
    expect(batch.timestampType(bytes, 0)).toBe('log-append-time');
    expect(batch.maxTimestamp(bytes, 0)).toBe(5_000_000_000_000);
    expect(batch.isIntactBatch(bytes, 0)).toBe(true);
    batch.stampProducer(bytes, 0, 42, 3, 9);
    expect(batch.readBatchHeader(bytes)).toMatchObject({ producerId: 42, producerEpoch: 3, baseSequence: 9 });
    batch.stampProducer(bytes, 0, -1, -1, -1);
    expect(batch.readBatchHeader(bytes)).toMatchObject({ producerId: -1, producerEpoch: -1, baseSequence: -1 });
    expect(batch.isIntactBatch(bytes, 0)).toBe(true);
  });

  it('batchesIn stops at a truncated batch and refuses bytes that cannot be a batch', () => {
    const one = sample(1);
    const two = sample(2);
    const bytes = Buffer.concat([one, two, one.subarray(0, 70)]);
    expect([...batch.batchesIn(bytes)]).toEqual([0, one.length]);
    expect([...batch.batchesIn(Buffer.alloc(0))]).toEqual([]);
    expect(() => [...batch.batchesIn(Buffer.alloc(100))]).toThrow(batch.CorruptBatch);
    const old = Buffer.from(one);
    old[batch.batchField.magic] = 1;
    expect(() => [...batch.batchesIn(old)]).toThrow(/magic 1/);
  });
});

describe('validateBatch', () => {
  it('accepts a good batch and returns its header', () => {
    const verdict = batch.validateBatch(sample(3, { producerId: 1, producerEpoch: 0, baseSequence: 0 }));
    expect(verdict).toMatchObject({ count: 3, lastOffsetDelta: 2, producerId: 1, baseTimestamp: 1000 });
  });

  it('refuses each broken rule with its own error code', () => {
    const { batchField: at } = batch;
    expect(errorOf(Buffer.alloc(0))).toBe(code.invalidRecord);
    expect(errorOf(Buffer.concat([sample(), sample()]))).toBe(code.invalidRecord);
    // Less than a whole batch is none, as for Kafka's reader of batches.
    for (const bytes of [0, 11, 16, 60, 80]) expect(errorOf(sample().subarray(0, bytes))).toBe(code.invalidRecord);
    const ofLength = (bytes: number): Buffer => {
      const claims = sample();
      writeI32(claims, at.batchLength, bytes);
      return claims;
    };
    for (const bytes of [-1, 0, 13]) expect(errorOf(ofLength(bytes))).toBe(code.corruptMessage);
    expect(errorOf(ofLength(14).subarray(0, 26))).toBe(code.corruptMessage);
    expect(errorOf(ofLength(0x7fff_ffff))).toBe(code.invalidRecord);
    expect(errorOf(patched((b) => (b[at.magic] = 3)))).toBe(code.corruptMessage);
    expect(errorOf(sample(), { batchBytesMax: 80 })).toBe(code.messageTooLarge);
    expect(errorOf(patched((b) => (b[at.magic] = 1)))).toBe(code.invalidRecord);
    for (const count of [-0x8000_0000, -1, 0, 1, 2, 4, 0x7fff_ffff])
      expect(errorOf(patched((b) => writeI32(b, at.count, count)))).toBe(code.invalidRecord);
    // Both wrong in the same way agree with each other, but not with what a batch can hold.
    for (const count of [-0x7fff_ffff, -1, 0, 0x7fff_ffff]) {
      const wrong = patched((b) => {
        writeI32(b, at.count, count);
        writeI32(b, at.lastOffsetDelta, count - 1);
      });
      expect(errorOf(wrong)).toBe(code.invalidRecord);
    }
    for (const delta of [-1, 0, 1, 3, 5])
      expect(errorOf(patched((b) => writeI32(b, at.lastOffsetDelta, delta)))).toBe(code.invalidRecord);
    for (const field of [at.baseTimestamp, at.maxTimestamp])
      expect(errorOf(patched((b) => writeI64(b, field, 2 ** 60)))).toBe(code.invalidTimestamp);
    expect(errorOf(patched((b) => (b[at.attributes + 1] = 0x20)))).toBe(code.invalidRecord);
    expect(errorOf(patched((b) => (b[at.attributes + 1] = 0x10)))).toBe(code.invalidRecord);
    expect(errorOf(patched((b) => (b[at.attributes + 1] = 5)))).toBe(code.unsupportedCompressionType);
    expect(errorOf(sample(3, { producerId: 5, producerEpoch: 0, baseSequence: -1 }))).toBe(code.invalidRecord);
    expect(errorOf(sample(3, { producerId: 5, producerEpoch: -1, baseSequence: 0 }))).toBe(code.invalidRecord);
    const zstd = patched((b) => (b[at.attributes + 1] = 4));
    expect(errorOf(zstd)).toBeUndefined();
    expect(errorOf(zstd, { allowsZstd: false })).toBe(code.unsupportedCompressionType);
    const flood = patched((b) => {
      writeI32(b, at.count, 1_000_000);
      writeI32(b, at.lastOffsetDelta, 999_999);
    });
    expect(errorOf(flood)).toBe(code.invalidRecord);
  });

  it('reports every truncation, and every flipped bit except in fields that the broker overwrites', () => {
    const bytes = sample(4);
    for (let length = 0; length < bytes.length; length++) {
      expect(errorOf(bytes.subarray(0, length))).toBeDefined();
    }
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = Buffer.from(bytes);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      const at = bit >> 3;
      const isOutsideCrc = at < batch.batchField.batchLength || (at >= batch.batchField.leaderEpoch && at < 16);
      if (!isOutsideCrc) expect(errorOf(flipped)).toBeDefined();
      else {
        expect(errorOf(flipped)).toBeUndefined();
        batch.restamp(flipped, 0, 0, -1);
        expect(flipped.equals(bytes)).toBe(true);
      }
    }
  });

  it('survives any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(errorOf(Buffer.from(bytes))).toBeDefined();
      }),
    );
  });
});

describe('transaction markers', () => {
  it('survive a round trip, and no client may send one', () => {
    for (const kind of ['abort', 'commit'] as const) {
      const bytes = encodeMarker({ kind, coordinatorEpoch: 11 }, 99, 2, 1234);
      expect(batch.isControl(bytes, 0)).toBe(true);
      expect(batch.isTransactional(bytes, 0)).toBe(true);
      expect(readMarker(bytes)).toEqual({ kind, coordinatorEpoch: 11 });
      expect(errorOf(bytes)).toBe(code.invalidRecord);
    }
    expect(() => readMarker(sample())).toThrow(batch.CorruptBatch);
  });
});
