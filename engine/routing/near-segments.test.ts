/** A gateway that reads segments itself: the real log, its broker's Fetch, a link, and the routing. */
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { fetch } from '../broker/api/01-fetch.ts';
import type { Owned, Ownership } from '../broker/ownership.ts';
import type { FetchedPartition } from '../engine.ts';
import { memoryNetwork } from '../link/memory-network.ts';
import { serveLinks } from '../link/serve.ts';
import { directorySegments } from '../log/segments/directory-segments.ts';
import { batchOf, segmentsDirectory, topicA, World } from '../log/log-fixture.suite.ts';
import type { LogStore, PartitionLog } from '../log/log.ts';
import { DiskFault, type SegmentStore } from '../ports.ts';
import { errorCode } from '../protocol/error-codes.ts';
import type { FetchRequest, FetchResponse } from '../protocol/messages/01-fetch.ts';
import { batchesIn, batchSizeBytes } from '../records/batch.ts';
import { decodeBatch } from '../records/decode.ts';
import { offsetBehind } from './fetch-message.ts';
import { placesMsMax } from './known-places.ts';
import { NearSegments } from './near-segments.ts';
import { createRouting, type Routing } from './routes.ts';
import { HandCatalogue } from './scripted-broker.suite.ts';

interface Gateway {
  readonly world: World;
  readonly store: LogStore;
  readonly logs: readonly PartitionLog[];
  readonly routing: Routing;
  readonly catalogue: HandCatalogue;
  readonly requests: FetchRequest[];
  readonly responses: FetchResponse[];
  readonly values: readonly (readonly string[])[];
  /** How many of the next questions about a partition are refused, as by an owner that has given it away. */
  readonly refuses: { left: number };
}

const routings: Routing[] = [];
afterEach(() => {
  for (const routing of routings.splice(0)) routing.close();
});

/** Two logs of one broker, each with `rolledUp` batches in segments and one more in memory. */
async function gateway(
  rolledUp: number,
  segmentsOf: (segments: SegmentStore) => SegmentStore = (segments) => segments,
): Promise<Gateway> {
  const world = new World({ mergeBytesMax: 700 });
  const store = await world.startSession();
  const logs = [await world.open(store), await world.open(store, undefined, {}, topicA, 1)];
  const values: string[][] = [[], []];
  const append = async (i: number): Promise<void> => {
    for (const [l, log] of logs.entries()) {
      const some = Array.from({ length: 1 + (i % 3) }, (_, n) => `${l}:${i}.${n}`.padEnd(60, '.'));
      await world.append(log, batchOf(some, 1000 + i));
      values[l]!.push(...some);
    }
  };
  for (let i = 0; i < rolledUp; i++) {
    await append(i);
    if (i % 5 === 4) await world.run(store.rollUp());
  }
  await world.run(store.rollUp());
  await append(rolledUp);
  const requests: FetchRequest[] = [];
  const responses: FetchResponse[] = [];
  const network = memoryNetwork(world.clock);
  const refuses = { left: 0 };
  const ownership = {
    with(_: string, partition: number, use: (owned: Owned) => void) {
      const isRefused = refuses.left > 0 && refuses.left-- > 0;
      use(isRefused ? { errorCode: errorCode.notLeaderOrFollower } : ({ log: logs[partition]! } as unknown as Owned));
    },
  } as unknown as Ownership;
  await serveLinks(network, 'broker-1', (call) => {
    if (call.key !== 1) throw new Error(`key ${call.key} is not asked for`);
    requests.push(call.request);
    const respond = (response: FetchResponse, sent?: () => void): void => {
      responses.push(response);
      call.respond(response, sent);
    };
    fetch(ownership, world.clock, call.request, respond, (error) => {
      throw error;
    });
  });
  const catalogue = new HandCatalogue();
  catalogue.setBroker(1);
  catalogue.addTopic('c1.orders', topicA, [1, 1]);
  const epoch = world.sessionEpoch;
  for (const partition of [0, 1]) catalogue.place('c1.orders', partition, 1, epoch);
  const segments = segmentsOf(directorySegments(world.disk, segmentsDirectory));
  const routing = createRouting({
    catalogue,
    network,
    clock: world.clock,
    random: world.random,
    near: new NearSegments({ segments, clock: world.clock }, world.settings),
    ensureCoordinatorTopic: async () => {
      throw new Error('no groups here');
    },
  });
  routings.push(routing);
  return { world, store, logs, routing, catalogue, requests, responses, values, refuses };
}

async function read(
  { world, routing }: Gateway,
  offsets: readonly number[],
  maxBytes = 1 << 20,
  partitionMaxBytes = 1 << 20,
  maxWaitMs = 0,
): Promise<FetchedPartition[]> {
  const asked = offsets.map((offset, partition) => ({
    topicId: topicA,
    partition,
    offset,
    maxBytes: partitionMaxBytes,
    currentLeaderEpoch: -1,
    lastFetchedEpoch: -1,
  }));
  return world.run(routing.fetch(asked, { maxWaitMs, minBytes: maxWaitMs === 0 ? 0 : 1, maxBytes }));
}

async function valuesFrom(fetched: FetchedPartition, offset: number): Promise<string[]> {
  const values: string[] = [];
  for (const bytes of fetched.records) {
    for (const at of batchesIn(bytes)) {
      const batch = Buffer.from(bytes.subarray(at, at + batchSizeBytes(bytes, at)));
      for (const record of await decodeBatch(batch)) if (record.offset >= offset) values.push(String(record.value));
    }
  }
  return values;
}

const bytesAcross = (responses: readonly FetchResponse[]): number =>
  responses
    .flatMap((response) => response.responses.flatMap(({ partitions }) => partitions))
    .flatMap(({ records }) => records ?? [])
    .reduce((sum, each) => sum + each.length, 0);

describe('a gateway on the machine of its brokers', () => {
  it('reads records in segments itself: none of them crosses the link', async () => {
    const at = await gateway(12);
    const fetched = await read(at, [0, 3]);
    for (const [partition, each] of fetched.entries()) {
      const from = [0, 3][partition]!;
      const found = await valuesFrom(each, from);
      expect(found.length).toBeGreaterThan(0);
      expect(at.values[partition]!.slice(from, from + found.length)).toEqual(found);
      expect(each).toMatchObject({ errorCode: 0, highWatermark: at.logs[partition]!.highWatermark });
    }
    expect(at.requests[0]).toMatchObject({ readsSegments: true });
    expect(bytesAcross(at.responses)).toBe(0);
    const { nearReads, nearFailed } = at.routing.metrics();
    expect(nearReads).toBeGreaterThanOrEqual(2);
    expect(nearFailed).toBe(0);
  });

  it('reads the same from every offset, with every limit, as through the broker', async () => {
    const at = await gateway(13);
    const [first, second] = at.logs.map((log) => log.highWatermark);
    await fc.assert(
      fc.asyncProperty(
        fc.nat(first! - 1),
        fc.nat(second! - 1),
        fc.constantFrom(1, 300, 700, 2000, 1 << 20),
        fc.constantFrom(1, 200, 900, 1 << 20),
        async (one, other, maxBytes, partitionMaxBytes) => {
          const fetched = await read(at, [one, other], maxBytes, partitionMaxBytes);
          const sizes = fetched.map(({ records }) => records.reduce((sum, each) => sum + each.length, 0));
          const firstBytes = batchSizeBytes(fetched.find(({ records }) => records.length > 0)!.records[0]!, 0);
          expect(sizes[0]! + sizes[1]!).toBeLessThanOrEqual(Math.max(maxBytes, firstBytes));
          for (const [partition, each] of fetched.entries()) {
            expect(each.errorCode).toBe(0);
            const from = [one, other][partition]!;
            const found = await valuesFrom(each, from);
            expect(at.values[partition]!.slice(from, from + found.length)).toEqual(found);
            if (partition === 0) expect(found.length).toBeGreaterThan(0);
          }
        },
      ),
    );
  });

  it('leaves out no batch that does not fit any more, even if the next segment begins with a smaller one', async () => {
    const at = await gateway(13);
    const { highWatermark } = at.logs[0]!;
    for (let from = 0; from < highWatermark; from++) {
      for (let bytesMax = 150; bytesMax < 1500; bytesMax += 70) {
        const [fetched] = await read(at, [from], 1 << 20, bytesMax);
        const found = await valuesFrom(fetched!, from);
        expect(at.values[0]!.slice(from, from + found.length)).toEqual(found);
      }
    }
  });

  it('asks the owner for records if a segment holds two leader epochs', async () => {
    const world = new World({ mergeBytesMax: 100 });
    const first = await world.startSession();
    await world.append(await world.open(first), batchOf(['old']));
    await world.run(first.close());
    const store = await world.startSession();
    const log = await world.open(store);
    await world.append(log, batchOf(['new']));
    await world.run(store.rollUp());
    expect(log.locate(0, 1)).toEqual([]);
    expect(await world.values(log)).toEqual(['old', 'new']);
  });

  it('asks the owner for everything for a moment if it cannot read a file, and then retries', async () => {
    let isAway = true;
    const at = await gateway(5, (segments) => ({
      ...segments,
      open(fileId) {
        if (isAway) throw new DiskFault('EACCES');
        return segments.open(fileId);
      },
    }));
    const [fetched] = await read(at, [0]);
    expect((await valuesFrom(fetched!, 0)).length).toBeGreaterThan(0);
    expect(at.requests.map(({ readsSegments }) => readsSegments)).toEqual([true, false]);
    expect(at.routing.metrics()).toMatchObject({ nearFailed: 1 });
    isAway = false;
    await read(at, [0]);
    expect(at.requests.at(-1)).toMatchObject({ readsSegments: false });
    await at.world.clock.advance(1000);
    expect(await valuesFrom((await read(at, [0]))[0]!, 0)).not.toEqual([]);
    expect(at.requests.at(-1)).toMatchObject({ readsSegments: true });
    expect(at.requests).toHaveLength(4);
  });

  it('asks the owner if its disk does not answer', async () => {
    const at = await gateway(5, (segments) => ({
      ...segments,
      open: (fileId) => ({ ...segments.open(fileId), read: () => new Promise<number>(() => undefined) }),
    }));
    const asked = [
      { topicId: topicA, partition: 0, offset: 0, maxBytes: 1 << 20, currentLeaderEpoch: -1, lastFetchedEpoch: -1 },
    ];
    const fetching = at.routing.fetch(asked, { maxWaitMs: 60_000, minBytes: 1, maxBytes: 1 << 20 });
    await at.world.clock.advance(14_000);
    expect(at.requests).toHaveLength(1);
    await at.world.clock.advance(2000);
    expect(at.requests.map(({ readsSegments }) => readsSegments)).toEqual([true, false]);
    expect(await valuesFrom((await at.world.run(fetching))[0]!, 0)).not.toEqual([]);
  });

  it('serves no flipped bit: the owner is asked, and reports that the log cannot be read', async () => {
    const at = await gateway(5);
    const [name] = at.world.disk.list(segmentsDirectory);
    const file = at.world.disk.open(`${segmentsDirectory}/${name!}`);
    const byte = Buffer.alloc(1);
    const position = at.logs[0]!.locate(0, 1)[0]!.position + 70;
    file.readSync(byte, position);
    byte[0]! ^= 1;
    await at.world.run(file.write([byte], position));
    file.close();
    expect((await read(at, [0]))[0]).toMatchObject({ errorCode: errorCode.kafkaStorageError, records: [] });
  });

  it('keeps no unused file open, so that the space of removed ones is freed', async () => {
    let open = 0;
    const at = await gateway(5, (segments) => ({
      ...segments,
      open(fileId) {
        const file = segments.open(fileId);
        open++;
        return {
          ...file,
          close() {
            open--;
            file.close();
          },
        };
      },
    }));
    await read(at, [0]);
    expect(open).toBe(1);
    await at.world.clock.advance(5000);
    expect(open).toBe(0);
    expect(await valuesFrom((await read(at, [0]))[0]!, 0)).not.toEqual([]);
  });

  it('reads nothing before the new start of a log after DeleteRecords', async () => {
    const at = await gateway(5);
    await at.world.run(at.logs[0]!.deleteRecords(2));
    expect((await read(at, [1]))[0]).toMatchObject({ errorCode: errorCode.offsetOutOfRange });
    expect(await valuesFrom((await read(at, [2]))[0]!, 2)).toEqual(
      at.values[0]!.slice(2, at.logs[0]!.locate(2, 1)[0]!.endOffset),
    );
  });
});

/** As a consumer that waits for records: in one segment of each log, or a few. */
const readOn = (at: Gateway, offsets: readonly number[], bytesMax = 700): Promise<FetchedPartition[]> =>
  read(at, offsets, 1 << 20, bytesMax, 500);

/** Where the next fetch goes on. */
const behind = ({ records }: FetchedPartition): number => offsetBehind(records, -1);

describe('who reads on', () => {
  it('gets the records of the next segments without a question, for a moment', async () => {
    const at = await gateway(20);
    let offsets = [0, 0];
    for (let i = 0; i < 4; i++) {
      const fetched = await readOn(at, offsets);
      for (const [partition, each] of fetched.entries()) {
        const { [partition]: from = 0 } = offsets;
        expect(await valuesFrom(each, from)).toEqual(at.values[partition]!.slice(from, behind(each)));
        expect(behind(each)).toBeGreaterThan(from);
        expect(each).toMatchObject({ errorCode: 0, highWatermark: at.logs[partition]!.highWatermark });
      }
      offsets = fetched.map(behind);
    }
    expect(at.requests).toHaveLength(1);
    expect(at.routing.metrics()).toMatchObject({ nearUnasked: 3 });
    await at.world.clock.advance(placesMsMax + 1);
    await readOn(at, offsets);
    expect(at.requests).toHaveLength(2);
  });

  it('gets a fetch as full as its limits allow, whatever the size of segments', async () => {
    const at = await gateway(20);
    const [fetched] = await read(at, [0]);
    expect(behind(fetched!)).toBeGreaterThan(at.logs[0]!.locate(0, 1)[0]!.endOffset);
    expect(await valuesFrom(fetched!, 0)).toEqual(at.values[0]!.slice(0, behind(fetched!)));
  });

  it('reads nothing before a log start that the gateway has heard of', async () => {
    const at = await gateway(20);
    await readOn(at, [0, 0]);
    await at.world.run(at.logs[0]!.deleteRecords(3));
    await read(at, [4]);
    expect((await readOn(at, [1]))[0]).toMatchObject({ errorCode: errorCode.offsetOutOfRange });
  });

  it('without waiting gets the answer of an owner, even if the first one asked refuses', async () => {
    const at = await gateway(20);
    const [first] = await readOn(at, [0]);
    await at.world.append(at.logs[0]!, batchOf(['more'], 5000));
    at.refuses.left = 1;
    const [fetched] = await read(at, [behind(first!)]);
    expect(fetched).toMatchObject({ errorCode: 0, highWatermark: at.logs[0]!.highWatermark });
    expect(at.routing.metrics()).toMatchObject({ nearUnasked: 0 });
  });

  it('without waiting gets the answer of an owner even if it joins a poll that got earlier knowledge', async () => {
    let held: Promise<void> | undefined;
    const at = await gateway(20, (segments) => ({
      ...segments,
      open(fileId) {
        const file = segments.open(fileId);
        const { readSync: _, ...slow } = file;
        return { ...slow, read: async (target, position) => (await held, file.read(target, position)) };
      },
    }));
    const offset = behind((await readOn(at, [0]))[0]!);
    let release = (): void => undefined;
    held = new Promise((resolve) => (release = resolve));
    const earlier = read(at, [offset], 1 << 20, 1 << 20, 5000);
    await at.world.clock.settle();
    expect(at.routing.metrics()).toMatchObject({ nearUnasked: 1 });
    await at.world.append(at.logs[0]!, batchOf(['more'], 5000));
    at.refuses.left = 1;
    const fetched = read(at, [offset]);
    await at.world.clock.settle();
    release();
    expect((await fetched)[0]).toMatchObject({ errorCode: 0, highWatermark: at.logs[0]!.highWatermark });
    await earlier;
  });

  it('asks the next owner', async () => {
    const at = await gateway(20);
    const offsets = (await readOn(at, [0, 0])).map(behind);
    at.catalogue.place('c1.orders', 0, 1, at.world.sessionEpoch + 1);
    void readOn(at, offsets);
    await at.world.clock.advance(5);
    const epochs = at.requests.slice(1).flatMap(({ topics }) => topics[0]!.partitions[0]!.currentLeaderEpoch);
    expect(epochs).toContain(at.world.sessionEpoch + 1);
  });

  it('asks for the place of the next records if their file is gone, and reads them there', async () => {
    let isAway = false;
    const at = await gateway(20, (segments) => ({
      ...segments,
      open(fileId) {
        if (isAway) throw new DiskFault('ENOENT');
        return segments.open(fileId);
      },
    }));
    await readOn(at, [0, 0]);
    await at.world.clock.advance(1);
    const { endOffset } = at.logs[0]!.locate(0, 1)[0]!;
    isAway = true;
    const reading = readOn(at, [endOffset, 0]);
    isAway = false;
    const [fetched] = await reading;
    expect(await valuesFrom(fetched!, endOffset)).toEqual(at.values[0]!.slice(endOffset, behind(fetched!)));
    expect(at.routing.metrics()).toMatchObject({ nearFailed: 0 });
  });

  it('asks once for the place of the next records if no file can be read, and then for the records', async () => {
    let isAway = false;
    const at = await gateway(20, (segments) => ({
      ...segments,
      open(fileId) {
        if (isAway) throw new DiskFault('EACCES');
        return segments.open(fileId);
      },
    }));
    const offset = behind((await readOn(at, [0]))[0]!);
    isAway = true;
    const { endOffset } = at.logs[0]!.locate(offset, 1)[0]!;
    const [fetched] = await readOn(at, [endOffset]);
    expect(await valuesFrom(fetched!, endOffset)).toEqual(at.values[0]!.slice(endOffset, behind(fetched!)));
    expect(at.requests.map(({ readsSegments }) => readsSegments)).toEqual([true, true, false]);
  });

  it('gets the records before damage', async () => {
    const at = await gateway(20);
    const [first, second] = at.logs[0]!.locate(0, 1 << 20);
    const file = at.world.disk.open(`${segmentsDirectory}/${second!.fileId}.seg`);
    const byte = Buffer.alloc(1);
    file.readSync(byte, second!.position + 70);
    byte[0]! ^= 1;
    await at.world.run(file.write([byte], second!.position + 70));
    file.close();
    const [fetched] = await read(at, [0]);
    expect(await valuesFrom(fetched!, 0)).toEqual(at.values[0]!.slice(0, first!.endOffset));
    expect(at.routing.metrics()).toMatchObject({ nearFailed: 0 });
    expect((await read(at, [first!.endOffset]))[0]).toMatchObject({ errorCode: errorCode.kafkaStorageError });
  });
});
