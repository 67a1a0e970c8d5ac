/**
 * The memory of request frames and of fetched records is reused, tested over real sockets. Tests overwrite memory that is
 * given back, so a batch or an answer that is read too late fails its checksum.
 */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { systemClock } from '../../engine/kernel/clock.ts';
import { framePool, SharedFrame } from '../../engine/kernel/frame-pool.ts';
import { below, seededRandom } from '../../engine/kernel/random.ts';
import { make } from '../../engine/protocol/make.ts';
import { produceRequest } from '../../engine/protocol/messages/00-produce.ts';
import { fetchRequest } from '../../engine/protocol/messages/01-fetch.ts';
import { isIntactBatch } from '../../engine/records/batch.ts';
import { encodeBatch } from '../../engine/records/encode.ts';
import { type DoorBench, doorBench, type Tenant } from './door.suite.ts';

let bench: DoorBench;
let acme: Tenant;

beforeEach(async () => {
  bench = await doorBench();
  acme = await bench.tenant('acme');
  const client = await bench.client(acme);
  await client.ask(3, 5, {
    topics: [{ topicId: '\0'.repeat(16), name: 't' }],
    allowAutoTopicCreation: true,
    includeClusterAuthorizedOperations: false,
    includeTopicAuthorizedOperations: false,
  });
});
afterEach(() => bench.close());

function batchOf(random: ReturnType<typeof seededRandom>): Buffer {
  const size = [200, 20_000, 90_000, 300_000, 1_200_000][below(random, 5)]!;
  const value = random.bytes(1 + below(random, size));
  return Buffer.from(encodeBatch([{ key: null, value, timestampMs: 0 }]));
}

it.each([1, 2, 3])('lends a frame to nobody while a batch of it is under way (seed %i)', async (seed) => {
  const random = seededRandom(seed);
  const memories = new Set<ArrayBufferLike>();
  const kept: { view: Buffer; copy: Buffer }[] = [];
  let reused = 0;
  bench.engine.append = (append) => {
    const { records } = append;
    expect(isIntactBatch(records, 0)).toBe(true);
    if (memories.has(records.buffer)) reused++;
    memories.add(records.buffer);
    const copy = Buffer.from(records);
    const result = { errorCode: 0, baseOffset: 0, logAppendTimeMs: -1, logStartOffset: 0, errorMessage: null };
    const finish = (turns: number): void => {
      if (turns > 0) return systemClock.endOfTurn(() => finish(turns - 1));
      expect(copy.equals(records)).toBe(true);
      const isFree = below(random, 4) > 0;
      if (!isFree) kept.push({ view: records, copy });
      append.done(result, isFree);
    };
    finish(below(random, 12));
  };
  const clients = await Promise.all([1, 2, 3].map(() => bench.client(acme)));
  for (let round = 0; round < 12; round++) {
    const answers = clients.map((client) => {
      const count = 1 + below(random, 4);
      for (let i = 0; i < count; i++) {
        const partitionData = Array.from({ length: 1 + below(random, 2) }, () => ({
          index: 0,
          records: batchOf(random),
        }));
        client.send(
          0,
          9,
          make(produceRequest, { acks: -1, timeoutMs: 1000, topicData: [{ name: 't', partitionData }] }),
        );
      }
      return (async () => {
        for (let i = 0; i < count; i++) await client.next();
      })();
    });
    await Promise.all(answers);
  }
  expect(reused).toBeGreaterThan(0);
  expect(kept.length).toBeGreaterThan(0);
  for (const { view, copy } of kept) expect(copy.equals(view)).toBe(true);
});

it('sends fetched records completely before their memory is reused', async () => {
  const random = seededRandom(7);
  const memories = new Set<ArrayBufferLike>();
  let reused = 0;
  bench.engine.fetch = async (partitions) => {
    const batch = Buffer.from(
      encodeBatch([{ key: null, value: random.bytes(300_000 + below(random, 9000)), timestampMs: 0 }]),
    );
    const records = framePool.gather([batch]);
    if (memories.has(records.buffer)) reused++;
    memories.add(records.buffer);
    const state = { errorCode: 0, highWatermark: 1, lastStableOffset: 1, logStartOffset: 0 };
    return partitions.map(({ topicId, partition }) => ({
      ...state,
      topicId,
      partition,
      records: [records],
      frames: [new SharedFrame(records)],
    }));
  };
  const clients = await Promise.all([1, 2, 3, 4].map(() => bench.client(acme)));
  const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1_000_000 }];
  const request = make(fetchRequest, {
    maxWaitMs: 100,
    minBytes: 1,
    maxBytes: 1_000_000,
    sessionEpoch: -1,
    topics: [{ topic: 't', partitions }],
  });
  // On a busy machine it may take more rounds until memory has come back before the next fetch needs some.
  for (let round = 0; round < 15 || (reused === 0 && round < 300); round++) {
    const answers = await Promise.all(clients.map((client) => client.ask(1, 11, request)));
    for (const { responses } of answers) {
      const [run] = responses[0]!.partitions[0]!.records!;
      expect(isIntactBatch(Buffer.from(run!), 0)).toBe(true);
    }
  }
  expect(reused).toBeGreaterThan(0);
});
