import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { apiByKey } from './apis.ts';
import { messageArbitrary } from './arbitrary.suite.ts';
import { decoder, encode } from './compile.ts';
import { interpretDecode, interpretEncode } from './interpret.ts';
import { make } from './make.ts';
import { MalformedFrame } from './malformed-frame.ts';
import { fetchRequest, fetchResponse } from './messages/01-fetch.ts';
import { type ListOffsetsRequest, listOffsetsRequest } from './messages/02-list-offsets.ts';
import { metadataRequest, type MetadataRequest } from './messages/03-metadata.ts';
import { produceRequest, type ProduceRequest, produceResponse } from './messages/00-produce.ts';
import { type OffsetCommitRequest, offsetCommitRequest } from './messages/08-offset-commit.ts';
import { offsetFetchRequest } from './messages/09-offset-fetch.ts';
import { joinGroupRequest } from './messages/11-join-group.ts';
import {
  array,
  bool,
  bytes,
  float64,
  int64,
  int8,
  type Message,
  message,
  string,
  struct,
  structs,
  uint16,
  uuid,
} from './schema.ts';
import { UnsupportedVersion } from './unsupported-version.ts';

/** What the language of schemas can say and no message of Kafka's does. */
const everyKind = message('EveryKindRequest', 31_000, '0-3', '2+', {
  float: float64({ default: 1.5 }),
  port: uint16({ since: 1, ignorable: true }),
  small: array(int8(), { nullable: 1 }),
  names: array(string('plain', { nullable: 2 }), { nullable: 2 }),
  ids: array(uuid('plain')),
  inner: struct({ flag: bool({ default: true }), payload: bytes('plain', { nullable: true }) }, { nullable: 1 }),
  taggedFloat: float64({ since: 2, tag: 3 }),
  taggedFlag: bool({ since: 2, tag: 1, default: true }),
  taggedInner: struct({ id: uuid('plain'), limit: int64({ default: Infinity }) }, { since: 2, tag: 0, nullable: true }),
  taggedOrNull: struct(
    { deep: structs({ text: string('plain') }) },
    { since: 3, tag: 200, nullable: true, default: null },
  ),
  taggedBytes: bytes('plain', { since: 2, tag: 130, nullable: true, default: null }),
});

const messages = [everyKind, ...[...apiByKey.values()].flatMap(({ request, response }) => [request, response])];
const cases = messages.flatMap((schema) =>
  Array.from({ length: schema.max - schema.min + 1 }, (_, i) => ({
    title: `${schema.name} v${schema.min + i}`,
    schema,
    version: schema.min + i,
  })),
);

/** The decoded value, or 'malformed'; anything else that is thrown fails the test. */
function outcome(decode: () => unknown): unknown {
  try {
    return decode();
  } catch (error) {
    if (error instanceof MalformedFrame) return 'malformed';
    throw error;
  }
}

function bothDecode(schema: Message, version: number, frame: Buffer): unknown {
  const compiled = outcome(() => decoder(schema, version)(frame, 0));
  const interpreted = outcome(() => interpretDecode(schema, version, frame));
  if (!isDeepStrictEqual(interpreted, compiled)) expect(compiled).toEqual(interpreted);
  return compiled;
}

describe('compiled code agrees with the interpreter', () => {
  test.each(cases)('$title', ({ schema, version }) => {
    fc.assert(
      fc.property(messageArbitrary(schema, version), fc.nat(), fc.nat(), (value, cut, flip) => {
        const frame = Buffer.concat(encode(schema, version, value));
        expect(frame.equals(interpretEncode(schema, version, value))).toBe(true);
        const decoded = bothDecode(schema, version, frame);
        if (!isDeepStrictEqual(decoded, value)) expect(decoded).toEqual(value);
        if (frame.length === 0) return;
        expect(bothDecode(schema, version, frame.subarray(0, cut % frame.length))).toBe('malformed');
        const bit = flip % (frame.length * 8);
        frame[bit >> 3]! ^= 1 << (bit & 7);
        bothDecode(schema, version, frame);
      }),
      { numRuns: 25 },
    );
  });

  test('on random bytes', () => {
    fc.assert(
      fc.property(fc.constantFrom(...cases), fc.uint8Array({ maxLength: 80 }), ({ schema, version }, bytes) => {
        bothDecode(schema, version, Buffer.from(bytes));
      }),
      { numRuns: 2000 },
    );
  });
});

const produce = (records: Uint8Array): ProduceRequest =>
  make(produceRequest, { acks: -1, topicData: [{ name: 'orders', partitionData: [{ index: 0, records }] }] });

const metadata = (name: string): MetadataRequest =>
  make(metadataRequest, { topics: [{ name }], allowAutoTopicCreation: true });

describe('encode', () => {
  test('passes large records on without a copy', () => {
    const batch = Buffer.alloc(4096, 7);
    const parts = encode(produceRequest, 9, produce(batch));
    expect(parts).toContain(batch);
    expect(parts).toHaveLength(3);
  });

  test('keeps earlier messages intact while the slab fills and changes', () => {
    const names = Array.from({ length: 300 }, (_, i) => `${i}-${'n'.repeat(400)}`);
    const encoded = names.map((name) => encode(metadataRequest, 1, metadata(name)));
    for (const [i, parts] of encoded.entries()) {
      expect(decoder(metadataRequest, 1)(Buffer.concat(parts), 0).topics![0]!.name).toBe(names[i]);
    }
  });

  test('encodes messages larger than a slab, and tagged fields that outgrow it', () => {
    const protocols = [{ name: 'range', metadata: Buffer.alloc(200_000, 5) }];
    const join = make(joinGroupRequest, { groupId: 'g', protocols });
    expect(decoder(joinGroupRequest, 6)(Buffer.concat(encode(joinGroupRequest, 6, join)), 0)).toEqual(join);
    const nodeEndpoints = Array.from({ length: 3000 }, (_, nodeId) => ({ nodeId, host: 'h'.repeat(30), port: nodeId }));
    const moved = make(produceResponse, { nodeEndpoints });
    expect(decoder(produceResponse, 10)(Buffer.concat(encode(produceResponse, 10, moved)), 0)).toEqual(moved);
  });

  test('refuses a value that the version cannot carry', () => {
    const fixed = { ...metadata('orders'), allowAutoTopicCreation: false };
    expect(() => encode(metadataRequest, 3, fixed)).toThrow(UnsupportedVersion);
    expect(() => encode(metadataRequest, 0, { ...metadata('orders'), topics: null })).toThrow(UnsupportedVersion);
    encode(metadataRequest, 4, fixed);
  });

  test('refuses a number that does not fit, and encodes the next message correctly', () => {
    expect(() => encode(produceRequest, 9, { ...produce(Buffer.alloc(0)), acks: 40_000 })).toThrow('acks');
    const [part] = encode(produceRequest, 9, produce(Buffer.alloc(0)));
    expect(decoder(produceRequest, 9)(part as Buffer, 0).acks).toBe(-1);
  });
});

describe('decode', () => {
  test('gives records as a view of the frame', () => {
    const frame = Buffer.concat(encode(produceRequest, 9, produce(Buffer.alloc(1000, 1))));
    const records = decoder(produceRequest, 9)(frame, 0).topicData[0]!.partitionData[0]!.records!;
    expect(records.buffer).toBe(frame.buffer);
    expect(records).toHaveLength(1000);
  });

  test('skips unknown tagged fields', () => {
    const frame = Buffer.concat([...encode(metadataRequest, 9, metadata('orders'))]);
    const tagged = Buffer.concat([frame.subarray(0, -1), Buffer.from([1, 99, 3, 1, 2, 3])]);
    expect(bothDecode(metadataRequest, 9, tagged)).toEqual(decoder(metadataRequest, 9)(frame, 0));
  });

  test('refuses a count that the frame cannot hold before it allocates the array', () => {
    expect(() => decoder(metadataRequest, 1)(Buffer.from([0, 0x0f, 0x42, 0x40, 0, 0]), 0)).toThrow('too many elements');
    expect(() => decoder(metadataRequest, 1)(Buffer.from([0x7f, 0xff, 0xff, 0xff]), 0)).toThrow('too many elements');
  });

  test('counts the elements of nested arrays together', () => {
    // No list is over the limit, the two together are.
    const partitionIndexes = Array.from({ length: 600_000 }, () => 0);
    const topics = [{ partitionIndexes }, { partitionIndexes }];
    const frame = Buffer.concat([...encode(offsetFetchRequest, 1, make(offsetFetchRequest, { topics }))]);
    expect(() => decoder(offsetFetchRequest, 1)(frame, 0)).toThrow('too many elements');
  });

  test('names the int64 that it cannot represent', () => {
    const topics = [{ topic: 't', partitions: [{ logStartOffset: 2 ** 52 }] }];
    const frame = Buffer.concat(encode(fetchRequest, 5, make(fetchRequest, { topics })));
    const at = frame.indexOf(Buffer.from([0x00, 0x10, 0, 0, 0, 0, 0, 0]));
    frame[at] = 0x10;
    expect(() => decoder(fetchRequest, 5)(frame, 0)).toThrow('1157425104234217472');
  });

  test('keeps an int64 that may be any', () => {
    for (const committedOffset of [2n ** 53n, 2n ** 63n - 1n, -(2n ** 53n), -(2n ** 63n), 2 ** 53 - 1, 1 - 2 ** 53]) {
      const topics = [{ name: 't', partitions: [{ committedOffset }] }];
      const frame = Buffer.concat(encode(offsetCommitRequest, 2, make(offsetCommitRequest, { topics })));
      const decoded = bothDecode(offsetCommitRequest, 2, frame) as OffsetCommitRequest;
      expect(decoded.topics[0]!.partitions[0]!.committedOffset).toBe(committedOffset);
    }
  });

  test('decodes a saturating int64 exactly below 2^53, and as Infinity from there on', () => {
    const topics = [{ name: 't', partitions: [{ timestamp: 2 ** 52 }] }];
    const frame = Buffer.concat(encode(listOffsetsRequest, 1, make(listOffsetsRequest, { topics })));
    const at = frame.indexOf(Buffer.from([0x00, 0x10, 0, 0, 0, 0, 0, 0]));
    const read = (value: bigint): number => {
      frame.writeBigInt64BE(value, at);
      const decoded = bothDecode(listOffsetsRequest, 1, frame) as ListOffsetsRequest;
      return decoded.topics[0]!.partitions[0]!.timestamp;
    };
    const limit = 2n ** 53n;
    expect([limit - 1n, limit, limit + 1n, 2n ** 62n, 2n ** 63n - 1n].map(read)).toEqual([
      Number.MAX_SAFE_INTEGER,
      Infinity,
      Infinity,
      Infinity,
      Infinity,
    ]);
    expect([-1n, 1n - limit, -limit, -(2n ** 63n)].map(read)).toEqual([
      -1,
      Number.MIN_SAFE_INTEGER,
      Number.MIN_SAFE_INTEGER,
      Number.MIN_SAFE_INTEGER,
    ]);
  });
});

describe('runs', () => {
  const response = (runs: Uint8Array[]) =>
    make(fetchResponse, { responses: [{ topic: 'orders', partitions: [{ partitionIndex: 0, records: runs }] }] });

  test('encode several pieces as one field, and pass large ones on without a copy', () => {
    const pieces = [Buffer.alloc(1000, 1), Buffer.alloc(3, 2), Buffer.alloc(2000, 3)];
    const parts = encode(fetchResponse, 12, response(pieces));
    expect(parts).toContain(pieces[0]);
    expect(parts).toContain(pieces[2]);
    const whole = decoder(fetchResponse, 12)(Buffer.concat(parts), 0);
    expect(Buffer.concat(whole.responses[0]!.partitions[0]!.records!)).toEqual(Buffer.concat(pieces));
  });
});
