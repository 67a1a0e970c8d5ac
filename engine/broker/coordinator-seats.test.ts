import { expect, it } from 'vitest';
import type { Catalogue, TopicEntry } from '../engine.ts';
import { Overloaded } from '../kernel/failure.ts';
import { seededRandom } from '../kernel/random.ts';
import type { Call } from '../link/serve.ts';
import { topicA, World } from '../log/log-fixture.suite.ts';
import { errorCode } from '../protocol/error-codes.ts';
import type { ResponseOf } from '../protocol/apis.ts';
import { joinSeats } from '../routing/coordinator-client.ts';
import { coordinatorTopic } from '../routing/coordinator-seat.ts';
import { coordinate } from './api/coordinate.ts';
import { CoordinatorSeats } from './coordinator-seats.ts';
import { type FollowedCatalogue, Ownership } from './ownership.ts';

/** Broker 1, which has the first of two seats. */
async function seatsOfOne(isTopicKnown = true) {
  const world = new World();
  const store = await world.startSession();
  const partitions = [1, 2].map((brokerId, index) => {
    return { index, brokerId, leaderEpoch: 5, reason: 'created', movedAtMs: 0 };
  });
  const name = coordinatorTopic('c1');
  const topic: TopicEntry = { name, topicId: topicA, clusterId: 'c1', partitions, configs: {}, createdAtMs: 0 };
  const known = isTopicKnown ? topic : undefined;
  const catalogue: Catalogue & FollowedCatalogue = {
    all: () => (known ? [known] : []),
    byId: () => known,
    byName: () => known,
    ofCluster: () => (known ? [known] : []),
    refresh: () => undefined,
    onPlacement: () => undefined,
  };
  const ownership = new Ownership(1, store, catalogue, world.clock);
  const seats = new CoordinatorSeats(catalogue, ownership, world.clock, seededRandom(1));
  const list = async (asked: readonly number[]): Promise<ResponseOf<16>> => {
    let answer: ResponseOf<16> | undefined;
    const call = {
      key: 16,
      version: 5,
      clientId: joinSeats('c1', asked),
      request: { statesFilter: [], typesFilter: [] },
      respond: (response: ResponseOf<16>) => (answer = response),
    };
    await world.run(coordinate(seats, call as unknown as Call));
    return answer!;
  };
  return { list };
}

it('lists the groups of the requested seats', async () => {
  const { list } = await seatsOfOne();
  expect(await list([0])).toEqual({ throttleTimeMs: 0, errorCode: errorCode.none, groups: [] });
});

it('lists nothing if one of the seats is elsewhere, or is not known yet', async () => {
  for (const { list } of [await seatsOfOne(), await seatsOfOne(false)]) {
    expect((await list([0, 1])).errorCode).toBe(errorCode.notCoordinator);
  }
});

it.each([16, 12, 8] as const)('answers a request that fails unexpectedly, key %i', async (key) => {
  const fails = (): Promise<never> => Promise.reject(new Overloaded('no way to know'));
  const seats = { ofGroup: fails, ofPartitions: fails } as unknown as CoordinatorSeats;
  const topics = [{ name: 't', topicId: topicA, partitions: [{ partitionIndex: 3 }] }];
  let answer: unknown;
  const call = {
    key,
    version: 5,
    clientId: key === 16 ? joinSeats('c1', [0]) : '',
    request: { groupId: 'c1.g', topics },
    respond: (response: unknown) => (answer = response),
  };
  await coordinate(seats, call as unknown as Call);
  const refused = { errorCode: errorCode.coordinatorLoadInProgress };
  expect(answer).toMatchObject(key === 8 ? { topics: [{ partitions: [{ partitionIndex: 3, ...refused }] }] } : refused);
});
