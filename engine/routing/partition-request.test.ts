import { describe, expect, it } from 'vitest';
import { make } from '../protocol/make.ts';
import { listOffsetsRequest, listOffsetsResponse } from '../protocol/messages/02-list-offsets.ts';
import { deleteRecordsRequest, deleteRecordsResponse } from '../protocol/messages/21-delete-records.ts';
import {
  offsetForLeaderEpochRequest,
  offsetForLeaderEpochResponse,
} from '../protocol/messages/23-offset-for-leader-epoch.ts';
import { describeLogDirsRequest, describeLogDirsResponse } from '../protocol/messages/35-describe-log-dirs.ts';
import type { ResponseOf } from '../protocol/apis.ts';
import { joinTopicIds, splitTopicIds } from '../link/named-topics.ts';
import { keyOf, topicId, type World, world } from './scripted-broker.suite.ts';

/** Brokers that answer for what they own; a partition's offset is 100 times its index. */
async function answering(owners: readonly number[]): Promise<World> {
  const w = await world(owners);
  for (const broker of w.brokers) {
    const codeOf = (index: number): number =>
      w.logs.owners.get(keyOf(topicId, index))?.brokerId === broker.brokerId ? 0 : 6;
    broker.other = (call) => {
      if (call.key === 2) {
        const topics = call.request.topics.map(({ name, partitions }) => ({
          name,
          partitions: partitions.map(({ partitionIndex: index, currentLeaderEpoch }) => ({
            partitionIndex: index,
            errorCode: codeOf(index),
            offset: index * 100,
            leaderEpoch: currentLeaderEpoch,
          })),
        }));
        call.respond(make(listOffsetsResponse, { topics }));
      } else if (call.key === 21) {
        const topics = call.request.topics.map(({ name, partitions }) => ({
          name,
          partitions: partitions.map(({ partitionIndex, offset }) => ({
            partitionIndex,
            errorCode: codeOf(partitionIndex),
            lowWatermark: offset,
          })),
        }));
        call.respond(make(deleteRecordsResponse, { topics }));
      } else if (call.key === 35) {
        const topics = call.request.topics!.map(({ topic, partitions }) => ({
          name: topic,
          partitions: partitions
            .filter((index) => codeOf(index) === 0)
            .map((index) => ({ partitionIndex: index, partitionSize: index * 1000 })),
        }));
        call.respond(make(describeLogDirsResponse, { results: [{ topics }] }));
      } else if (call.key === 23) {
        const topics = call.request.topics.map(({ topic, partitions }) => ({
          topic,
          partitions: partitions.map(({ partition, leaderEpoch }) => ({
            partition,
            errorCode: codeOf(partition),
            leaderEpoch,
            endOffset: partition,
          })),
        }));
        call.respond(make(offsetForLeaderEpochResponse, { topics }));
      }
    };
  }
  return w;
}

const name = 'c1.orders';

function listOffsets(w: World, indexes: readonly number[], currentLeaderEpoch = -1, topic = name) {
  const request = make(listOffsetsRequest, {
    topics: [
      {
        name: topic,
        partitions: indexes.map((partitionIndex) => ({ partitionIndex, currentLeaderEpoch, timestamp: -1 })),
      },
    ],
  });
  const outcome: { response: ResponseOf<2> | undefined; seen(): number[][] } = {
    response: undefined,
    seen: () =>
      outcome.response!.topics.flatMap((each) =>
        each.partitions.map(({ partitionIndex, errorCode, offset }) => [partitionIndex, errorCode, offset]),
      ),
  };
  void w.routing.partitionRequest(2, request).then((response) => (outcome.response = response));
  return outcome;
}

describe('a request about partitions', () => {
  it('answers twice for a topic that is named twice in a row', async () => {
    const w = await answering([1]);
    const partitions = [{ partitionIndex: 0, currentLeaderEpoch: -1, timestamp: -1 }];
    const request = make(listOffsetsRequest, {
      replicaId: -1,
      topics: [
        { name, partitions },
        { name, partitions },
      ],
    });
    const asked = w.routing.partitionRequest(2, request);
    await w.clock.advance(50);
    const { topics } = await asked;
    expect(topics.map((topic) => topic.partitions.length)).toEqual([1, 1]);
  });

  it('answers 200,000 times for a partition that is named 200,000 times, each in its place', async () => {
    const w = await answering([1, 2]);
    const count = 200_000;
    const outcome = listOffsets(w, [...Array.from({ length: count }, () => 1), 0, 1]);
    await w.clock.advance(50);
    const seen = outcome.seen();
    expect(seen).toHaveLength(count + 2);
    expect(seen.every(([index, code, offset]) => code === 0 && offset === index! * 100)).toBe(true);
    expect(seen.at(-2)).toEqual([0, 0, 0]);
  });

  it('says which topics it means by their names', async () => {
    const w = await answering([1, 2]);
    w.catalogue.addTopic('c1.others', 'the other topic.', [1]);
    const partitions = [0, 1].map((partitionIndex) => ({ partitionIndex, timestamp: -1 }));
    const topics = [name, 'c1.others', name].map((each) => ({ name: each, partitions }));
    void w.routing.partitionRequest(2, make(listOffsetsRequest, { topics }));
    await w.clock.advance(50);
    const calls = w.brokers.flatMap((broker) => broker.calls.filter(({ key }) => key === 2));
    const meant = calls.map(({ clientId }) => splitTopicIds(clientId));
    expect(meant).toContainEqual([topicId, 'the other topic.', topicId]);
    expect(meant).toContainEqual([topicId, topicId]);
    expect(splitTopicIds(joinTopicIds([undefined, topicId]))).toEqual([undefined, topicId]);
    expect(splitTopicIds('an older gateway')).toEqual([undefined]);
  });

  it('is split by owner and merged in request order', async () => {
    const w = await answering([1, 2, 1, 3]);
    const outcome = listOffsets(w, [3, 0, 1, 2]);
    await w.clock.advance(50);
    expect(outcome.seen()).toEqual([
      [3, 0, 300],
      [0, 0, 0],
      [1, 0, 100],
      [2, 0, 200],
    ]);
    expect(w.brokers.map((broker) => broker.count(2))).toEqual([1, 1, 1]);
  });

  it('follows moves, and asks again only for unanswered partitions', async () => {
    const w = await answering([1, 2]);
    w.logs.owners.set(keyOf(topicId, 1), { brokerId: 3, epoch: 1 });
    const outcome = listOffsets(w, [0, 1]);
    await w.clock.advance(300);
    expect(outcome.response).toBeUndefined();
    w.catalogue.place(name, 1, 3, 1);
    await w.clock.advance(50);
    expect(outcome.seen()).toEqual([
      [0, 0, 0],
      [1, 0, 100],
    ]);
    expect(w.broker(1).count(2)).toBe(1);
  });

  it('finds logs that a former owner does not list at the next one, and omits those that no broker has', async () => {
    const w = await answering([1, 2, -1]);
    w.logs.owners.set(keyOf(topicId, 1), { brokerId: 3, epoch: 1 });
    const request = make(describeLogDirsRequest, { topics: [{ topic: name, partitions: [2, 1, 0] }] });
    let response: ResponseOf<35> | undefined;
    void w.routing.partitionRequest(35, request).then((each) => (response = each));
    await w.clock.advance(300);
    w.catalogue.place(name, 1, 3, 1);
    await w.clock.advance(60_000);
    const { topics } = response!.results[0]!;
    expect(topics.map((topic) => topic.partitions.map((each) => [each.partitionIndex, each.partitionSize]))).toEqual([
      [
        [1, 1000],
        [0, 0],
      ],
    ]);
  });

  it('survives the end of a link', async () => {
    const w = await answering([1]);
    const { other } = w.broker(1);
    w.broker(1).other = () => undefined;
    const outcome = listOffsets(w, [0]);
    await w.clock.advance(50);
    w.broker(1).other = other;
    w.network.cut(w.address(1));
    await w.clock.advance(200);
    expect(outcome.seen()).toEqual([[0, 0, 0]]);
  });

  it('gets NOT_LEADER after the hold time, for the affected partitions', async () => {
    const w = await answering([1, -1]);
    const outcome = listOffsets(w, [1, 0]);
    await w.clock.advance(1900);
    expect(outcome.response).toBeUndefined();
    await w.clock.advance(200);
    expect(outcome.seen()).toEqual([
      [1, 6, -1],
      [0, 0, 0],
    ]);
  });

  it('gets UNKNOWN_TOPIC_OR_PARTITION soon', async () => {
    const w = await answering([1]);
    const outcome = listOffsets(w, [0], -1, 'c1.nothing');
    const beyond = listOffsets(w, [7]);
    await w.clock.advance(700);
    expect([outcome.seen(), beyond.seen()]).toEqual([[[0, 3, -1]], [[7, 3, -1]]]);
  });

  it('is fenced by the epoch the client knows, and asks with the owner’s', async () => {
    const w = await answering([1]);
    w.move(0, 2);
    const old = listOffsets(w, [0], 0);
    const ahead = listOffsets(w, [0], 9);
    const right = listOffsets(w, [0], 1);
    await w.clock.advance(50);
    expect([old, ahead, right].map((each) => each.seen()[0]![1])).toEqual([74, 75, 0]);
    expect(right.response!.topics[0]!.partitions[0]!.leaderEpoch).toBe(1);
  });

  describe('that changes something has the timeout of its client', () => {
    function deletion(w: World, timeoutMs: number, indexes: readonly number[]): () => number[][] | undefined {
      const partitions = indexes.map((partitionIndex) => ({ partitionIndex, offset: 5 }));
      const request = make(deleteRecordsRequest, { topics: [{ name, partitions }], timeoutMs });
      let response: ResponseOf<21> | undefined;
      void w.routing.partitionRequest(21, request).then((told) => (response = told));
      return () => response?.topics[0]!.partitions.map((each) => [each.partitionIndex, each.errorCode]);
    }

    it('which ends with the known answers while an owner is silent', async () => {
      const w = await answering([1, 2]);
      w.network.stall(w.address(2));
      const told = deletion(w, 3_000, [0, 1]);
      await w.clock.advance(2_900);
      expect(told()).toBeUndefined();
      await w.clock.advance(200);
      expect(told()).toEqual([
        [0, 0],
        [1, 7],
      ]);
      // It was on its way all the while, and is told to nobody.
      w.network.flow(w.address(2));
      await w.clock.advance(100);
      expect(w.broker(2).count(21)).toBe(1);
    });

    it('which is never too short for a working owner to answer', async () => {
      const w = await answering([1]);
      w.network.delay(w.address(1), 200);
      const told = [deletion(w, 0, [0]), deletion(w, -1, [0])];
      await w.clock.advance(900);
      expect(told.map((each) => each())).toEqual([[[0, 0]], [[0, 0]]]);
    });

    it('which also runs while nobody owns the partition', async () => {
      const w = await answering([-1]);
      const told = deletion(w, 1_500, [0]);
      await w.clock.advance(1_600);
      expect(told()).toEqual([[0, 7]]);
    });

    it('and is not reported as undone if an owner went away with it', async () => {
      const w = await answering([1]);
      w.broker(1).other = () => undefined;
      const told = deletion(w, 60_000, [0]);
      await w.clock.advance(50);
      w.network.refuse(w.address(1));
      w.network.cut(w.address(1));
      await w.clock.advance(2_100);
      expect(told()).toEqual([[0, 7]]);
    });
  });

  it('may be DeleteRecords or OffsetForLeaderEpoch', async () => {
    const w = await answering([1, 2]);
    const deleted = w.routing.partitionRequest(
      21,
      make(deleteRecordsRequest, {
        topics: [
          {
            name,
            partitions: [
              { partitionIndex: 1, offset: 5 },
              { partitionIndex: 0, offset: 6 },
            ],
          },
        ],
      }),
    );
    const epochs = w.routing.partitionRequest(
      23,
      make(offsetForLeaderEpochRequest, { topics: [{ topic: name, partitions: [{ partition: 1, leaderEpoch: 0 }] }] }),
    );
    await w.clock.advance(50);
    expect((await deleted).topics[0]!.partitions.map((each) => [each.partitionIndex, each.lowWatermark])).toEqual([
      [1, 5],
      [0, 6],
    ]);
    expect((await epochs).topics[0]!.partitions[0]).toMatchObject({ partition: 1, errorCode: 0, endOffset: 1 });
  });
});
