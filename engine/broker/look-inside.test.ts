import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { PartitionLog } from '../log/log.ts';
import { batchHeaderBytes, codec, compression, isIntactBatch, readBatchHeader } from '../records/batch.ts';
import { decodeBatch, recompressBatch } from '../records/decode.ts';
import { encodeBatch } from '../records/encode.ts';
import { afterLook, type RecordsFault, type Wanted } from './look-inside.ts';

const value = randomBytes(512 * 1024);
const key = Buffer.from('k');
const plain: Wanted = {
  requiresKeys: false,
  compressionType: 'producer',
  gzipLevel: -1,
  timestampType: 'CreateTime',
  messageBytesMax: 1_000_000,
  timestampBeforeMaxMs: Infinity,
  timestampAfterMaxMs: Infinity,
};
const nowMs = 1;
const compacted: Wanted = { ...plain, requiresKeys: true };

function toldOf(looked: Buffer | RecordsFault): string {
  return 'errorCode' in looked ? `${looked.errorCode}` : 'taken';
}

it('finishes batches in their order of arrival, however long each takes', async () => {
  const large = await recompressBatch(encodeBatch([{ key, value, timestampMs: 1 }]), codec.gzip);
  const small = encodeBatch([{ key, value: null, timestampMs: 1 }]);
  const keyless = encodeBatch([{ key: null, value: null, timestampMs: 1 }]);
  const log = {} as PartitionLog;
  const ends: string[] = [];
  const check = (of: PartitionLog, name: string, batch: Buffer): void =>
    afterLook(of, batch, compacted, nowMs, (looked) => void ends.push(`${name} ${toldOf(looked)}`));
  await new Promise<void>((resolve) => {
    check(log, 'large', large);
    check(log, 'small', small);
    check(log, 'keyless', keyless);
    // Another log does not wait for any of them.
    check({} as PartitionLog, 'other', small);
    afterLook(log, small, compacted, nowMs, () => resolve());
  });
  expect(ends).toEqual(['other taken', 'large taken', 'small taken', 'keyless 87']);
});

it('keeps a batch behind one that is being inspected, even if an earlier inspection ends meanwhile', async () => {
  const large = await recompressBatch(encodeBatch([{ key, value, timestampMs: 1 }]), codec.gzip);
  const small = encodeBatch([{ key, value: null, timestampMs: 1 }]);
  const log = {} as PartitionLog;
  const ends: string[] = [];
  await new Promise<void>((resolve) => {
    afterLook(log, small, compacted, nowMs, () => {
      ends.push('first');
      setImmediate(() => afterLook(log, small, plain, nowMs, () => resolve(void ends.push('third'))));
    });
    afterLook(log, large, compacted, nowMs, () => void ends.push('second'));
  });
  expect(ends).toEqual(['first', 'second', 'third']);
});

it('keeps the order when a topic stops being compacted during an inspection, and then inspects no more', async () => {
  const large = await recompressBatch(encodeBatch([{ key, value, timestampMs: 1 }]), codec.gzip);
  const keyless = encodeBatch([{ key: null, value: null, timestampMs: 1 }]);
  const log = {} as PartitionLog;
  const ends: string[] = [];
  const note = (name: string, wanted: Wanted, batch: Buffer): Promise<void> =>
    new Promise((resolve) => {
      afterLook(log, batch, wanted, nowMs, (looked) => {
        ends.push(`${name} ${toldOf(looked)}`);
        resolve();
      });
    });
  await Promise.all([note('large', compacted, large), note('keyless', plain, keyless)]);
  const isAtOnce = note('after', plain, keyless);
  expect(ends).toEqual(['large taken', 'keyless taken', 'after taken']);
  await isAtOnce;
  await new Promise((resolve) => setImmediate(resolve));
  expect(ends).toHaveLength(3);
});

describe('a topic with a codec', () => {
  it('is compressed at its level', async () => {
    const text = Buffer.from(Array.from({ length: 5_000 }, (_, i) => `${i * 7919}`).join(','));
    const batch = encodeBatch([{ key, value: text, timestampMs: 1 }]);
    const sizes: number[] = [];
    for (const gzipLevel of [1, 9]) {
      const packed = await looked(batch, { compressionType: 'gzip', gzipLevel });
      if ('errorCode' in packed) throw new Error(packed.message);
      expect((await decodeBatch(packed))[0]!.value).toEqual(text);
      sizes.push(packed.length);
    }
    expect(sizes[1]).toBeLessThan(sizes[0]!);
  });

  const records = Array.from({ length: 40 }, (_, i) => ({ key, value: Buffer.from(`value ${i}`), timestampMs: 5 + i }));
  const looked = (batch: Buffer, wanted: Partial<Wanted>): Promise<Buffer | RecordsFault> =>
    new Promise((resolve) => afterLook({} as PartitionLog, batch, { ...plain, ...wanted }, nowMs, resolve));

  it('stores every batch in its codec, whatever the producer used, and changes nothing else', async () => {
    const stamped = { producerId: 7, producerEpoch: 2, baseSequence: 9 };
    const all = { ...codec, uncompressed: codec.none };
    for (const compressionType of ['uncompressed', 'gzip', 'snappy', 'lz4', 'zstd'] as const) {
      for (const sent of Object.values(codec)) {
        const batch = await recompressBatch(encodeBatch(records, stamped), sent);
        const kept = (await looked(batch, { compressionType })) as Buffer;
        expect(compression(kept, 0)).toBe(all[compressionType]);
        expect(isIntactBatch(kept, 0)).toBe(true);
        expect(await decodeBatch(kept)).toEqual(await decodeBatch(batch));
        const { attributes: _a, sizeBytes: _s, ...rest } = readBatchHeader(kept);
        expect(readBatchHeader(batch)).toMatchObject(rest);
        if (sent === all[compressionType]) expect(kept).toBe(batch);
      }
    }
  });

  it('keeps small batches that need no work behind a large one', async () => {
    const log = {} as PartitionLog;
    const ends: string[] = [];
    const large = encodeBatch([{ key, value, timestampMs: 1 }]);
    const small = await recompressBatch(encodeBatch(records), codec.gzip);
    await new Promise<void>((resolve) => {
      const wanted: Wanted = { ...plain, compressionType: 'gzip' };
      afterLook(log, large, wanted, nowMs, (kept) => void ends.push(`large ${toldOf(kept)}`));
      afterLook(log, small, wanted, nowMs, (kept) => {
        ends.push(`small ${toldOf(kept)}`);
        resolve();
      });
    });
    expect(ends).toEqual(['large taken', 'small taken']);
  });

  it('refuses batches over max.message.bytes in its codec, unknown codecs, and batches too large to recompress', async () => {
    const zeros = { key, value: Buffer.alloc(2_000_000), timestampMs: 1 };
    const packed = await recompressBatch(encodeBatch([zeros]), codec.zstd);
    expect(await looked(packed, { compressionType: 'uncompressed' })).toMatchObject({ errorCode: 10 });
    expect(await looked(packed, { compressionType: 'gzip' })).toBeInstanceOf(Buffer);
    const noise = encodeBatch([{ key, value: randomBytes(100_000), timestampMs: 1 }]);
    expect(await looked(noise, { compressionType: 'lz4', messageBytesMax: noise.length })).toMatchObject({
      errorCode: 10,
    });
    const broken = Buffer.from(await recompressBatch(encodeBatch(records), codec.gzip));
    broken.fill(0xff, batchHeaderBytes);
    expect(await looked(broken, { compressionType: 'lz4' })).toMatchObject({ errorCode: 87 });
    const bomb = await recompressBatch(encodeBatch([{ ...zeros, value: Buffer.alloc(33 * 1024 * 1024) }]), codec.zstd);
    expect(await looked(bomb, { compressionType: 'gzip' })).toMatchObject({ errorCode: 10 });
  });
});
