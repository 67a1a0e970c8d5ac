/** The protocol codec against copying the same bytes, and the batch encoder against copying the values. */
import type { Bench } from '../compare/bench.ts';
import { loop, looping } from '../compare/micro.ts';
import { crc32c, crc32cPlain } from '../../engine/kernel/crc32c.ts';
import { apiKey } from '../../engine/protocol/apis.ts';
import { decodeRequest, decodeRequestHeader, encodeRequest, encodeResponse } from '../../engine/protocol/headers.ts';
import { make } from '../../engine/protocol/make.ts';
import { fetchResponse } from '../../engine/protocol/messages/01-fetch.ts';
import { BatchBuilder, encodeBatch } from '../../engine/records/encode.ts';

const key = Buffer.from('customer-0042');
const value = Buffer.alloc(1024, 'v');
const smallValue = value.subarray(0, 100);
/** Sent by Kafka 4's clients. */
const produceVersion = 13;
const fetchVersion = 17;

function produceFrame(topics: number, partitions: number, records: Buffer): Buffer {
  return Buffer.concat(
    encodeRequest(apiKey.produce, produceVersion, 1, 'bench', {
      transactionalId: null,
      acks: -1,
      timeoutMs: 30_000,
      topicData: Array.from({ length: topics }, (_, t) => ({
        name: '',
        topicId: Buffer.alloc(16, t + 1).toString('latin1'),
        partitionData: Array.from({ length: partitions }, (_unused, index) => ({ index, records })),
      })),
    }),
  );
}

export const codec: Bench = {
  name: 'codec',
  about:
    'Produce requests decoded, Fetch responses encoded; in this process, rates per second of CPU; baseline: a copy of 1 KiB',
  unit: 'messages',
  open: looping(() => {
    const batch = encodeBatch([{ key, value, timestampMs: 1_700_000_000_000 }]);
    const one = produceFrame(1, 1, batch);
    const hundred = produceFrame(10, 10, batch);
    const target = Buffer.alloc(1024);
    const decode = (frame: Buffer, times: number): void => {
      for (let i = 0; i < times; i++)
        decodeRequest(apiKey.produce, produceVersion, frame, decodeRequestHeader(frame).bodyAt);
    };
    const fetched = make(fetchResponse, {
      responses: [
        {
          topicId: Buffer.alloc(16, 1).toString('latin1'),
          partitions: Array.from({ length: 10 }, (_, partitionIndex) => ({ partitionIndex, records: [batch] })),
        },
      ],
    });
    return [
      loop('copy 1 KiB', 1024, (times) => {
        for (let i = 0; i < times; i++) target.set(value);
      }),
      loop('decode Produce, 1 partition', one.length, (times) => decode(one, times)),
      loop('decode Produce, 10 topics × 10', hundred.length, (times) => decode(hundred, times)),
      loop('encode Fetch, 10 partitions', batch.length * 10, (times) => {
        for (let i = 0; i < times; i++) encodeResponse(apiKey.fetch, fetchVersion, 1, fetched);
      }),
    ];
  }),
};

export const crc: Bench = {
  name: 'crc',
  about: 'CRC-32C of 16 KiB: the plain JavaScript against what is used; rates per second of CPU',
  unit: 'checksums',
  open: looping(() => {
    const bytes = Buffer.alloc(16 * 1024, 7);
    const over = (length: number, sum: typeof crc32c) => (times: number) => {
      for (let i = 0; i < times; i++) sum(bytes, 0, 0, length);
    };
    return [
      loop('plain, 16 KiB', 16 * 1024, over(16 * 1024, crc32cPlain)),
      loop('used, 16 KiB', 16 * 1024, over(16 * 1024, crc32c)),
      loop('used, 1 KiB', 1024, over(1024, crc32c)),
      loop('used, 100 B', 100, over(100, crc32c)),
    ];
  }),
};

export const recordsEncode: Bench = {
  name: 'records-encode',
  about:
    'Record batches built from single records, CRC included; one operation is a record; baseline: a copy of the 1 KiB value',
  unit: 'records',
  open: looping(() => {
    const target = Buffer.alloc(1024);
    const encode = (perBatch: number, bytes: Buffer) => (times: number) => {
      const builder = new BatchBuilder(1 << 24);
      for (let i = 0; i < times; i++) {
        builder.append(key, bytes, undefined, 1_700_000_000_000 + i);
        if (builder.count === perBatch) builder.build();
      }
    };
    return [
      loop('copy 1 KiB', 1024, (times) => {
        for (let i = 0; i < times; i++) target.set(value);
      }),
      loop('1 KiB, 100 a batch', 1024, encode(100, value)),
      loop('1 KiB, 1 a batch', 1024, encode(1, value)),
      loop('100 B, 100 a batch', 100, encode(100, smallValue)),
      loop('100 B, 1 a batch', 100, encode(1, smallValue)),
    ];
  }),
};
