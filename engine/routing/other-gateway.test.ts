/** What a gateway tells of a log of which another one has deleted records, or to which it has sent some: the real log and its broker's Fetch. */
import { afterEach, describe, expect, it } from 'vitest';
import { fetch } from '../broker/api/01-fetch.ts';
import type { Owned, Ownership } from '../broker/ownership.ts';
import type { FetchedPartition } from '../engine.ts';
import { memoryNetwork } from '../link/memory-network.ts';
import { serveLinks } from '../link/serve.ts';
import { batchOf, topicA, World } from '../log/log-fixture.suite.ts';
import type { PartitionLog } from '../log/log.ts';
import { errorCode } from '../protocol/error-codes.ts';
import { createRouting, type Routing } from './routes.ts';
import { HandCatalogue } from './scripted-broker.suite.ts';

const routings: Routing[] = [];
afterEach(() => {
  for (const routing of routings.splice(0)) routing.close();
});

interface Gateway {
  readonly world: World;
  readonly logs: readonly PartitionLog[];
  readonly routing: Routing;
}

/** Two logs of five records. `pollMs`: how long the answer takes that somebody waits for. */
async function gateway(pollMs = 0): Promise<Gateway> {
  const world = new World();
  const store = await world.startSession();
  const logs = [await world.open(store), await world.open(store, undefined, {}, topicA, 1)];
  for (const log of logs) await world.append(log, batchOf(['a', 'b', 'c', 'd', 'e'], 1000));
  const network = memoryNetwork(world.clock);
  const ownership = {
    with: (_: string, partition: number, use: (owned: Owned) => void) =>
      use({ log: logs[partition]! } as unknown as Owned),
  } as unknown as Ownership;
  await serveLinks(network, 'broker-1', (call) => {
    if (call.key !== 1) throw new Error(`key ${call.key} is not asked for`);
    const { request } = call;
    const respond: typeof call.respond = (response, sent) => {
      if (request.maxWaitMs === 0 || pollMs === 0) call.respond(response, sent);
      else world.clock.after(pollMs, () => call.respond(response, sent));
    };
    fetch(ownership, world.clock, request, respond, (error) => {
      throw error;
    });
  });
  const catalogue = new HandCatalogue();
  catalogue.setBroker(1);
  catalogue.addTopic('c1.orders', topicA, [1, 1]);
  for (const partition of [0, 1]) catalogue.place('c1.orders', partition, 1, world.sessionEpoch);
  const { clock, random } = world;
  const ensureCoordinatorTopic = (): Promise<never> => Promise.reject(new Error('no groups here'));
  const routing = createRouting({ catalogue, network, clock, random, ensureCoordinatorTopic });
  routings.push(routing);
  return { world, logs, routing };
}

function read({ routing }: Gateway, offsets: readonly number[], maxWaitMs: number): Promise<FetchedPartition[]> {
  const limits = { maxBytes: 1 << 20, currentLeaderEpoch: -1, lastFetchedEpoch: -1 };
  const asked = offsets.map((offset, partition) => ({ topicId: topicA, partition, offset, ...limits }));
  return routing.fetch(asked, { maxWaitMs, minBytes: 1, maxBytes: 1 << 20 });
}

describe('a gateway beside another', () => {
  it('tells a reader that waits at the end of a log the current start', async () => {
    const at = await gateway();
    await at.world.run(read(at, [5, 5], 0));
    const waiting = read(at, [5, 5], 400);
    await at.world.clock.advance(50);
    await at.world.run(at.logs[0]!.deleteRecords(3));
    expect((await at.world.run(waiting))[0]).toMatchObject({ errorCode: 0, highWatermark: 5, logStartOffset: 3 });
  });

  it('reports the current start even while the owner is silent, if the deletion came before', async () => {
    const at = await gateway();
    await at.world.run(read(at, [5, 5], 0));
    await at.world.run(at.logs[0]!.deleteRecords(3));
    expect((await at.world.run(read(at, [5, 5], 100)))[0]).toMatchObject({ highWatermark: 5, logStartOffset: 3 });
  });

  it('gives no reader kept records that are deleted', async () => {
    const at = await gateway();
    await at.world.run(read(at, [5], 0));
    await at.world.run(read(at, [5], 60));
    await at.world.append(at.logs[0]!, batchOf(['f'], 2000));
    await at.world.clock.advance(5);
    expect(at.routing.metrics()).toMatchObject({ tailKept: 1 });
    await at.world.run(at.logs[0]!.deleteRecords(6));
    const [fetched] = await at.world.run(read(at, [5], 100));
    expect(fetched).toMatchObject({ errorCode: errorCode.offsetOutOfRange, records: [] });
  });

  it('reports that more may be there in a log whose owner it has only just asked', async () => {
    const at = await gateway(5);
    await at.world.run(read(at, [5, 5], 0));
    for (const log of at.logs) await at.world.append(log, batchOf(['f'], 2000));
    const [first, second] = await at.world.run(read(at, [0, 5], 400));
    expect(first!.records.length).toBeGreaterThan(0);
    expect(second).toMatchObject({ records: [], isStale: true });
    const [, later] = await at.world.run(read(at, [6, 5], 400));
    expect(later!.highWatermark).toBe(6);
    // Long enough, and its silence says that nothing is there.
    const [, last] = await at.world.run(read(at, [6, 6], 400));
    expect(last!.isStale).toBeUndefined();
  });
});
