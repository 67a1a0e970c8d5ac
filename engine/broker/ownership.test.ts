import { describe, expect, it } from 'vitest';
import type { TopicEntry } from '../engine.ts';
import { manualClock } from '../kernel/manual-clock.ts';
import type { LogStore, PartitionLog } from '../log/log.ts';
import { errorCode } from '../protocol/error-codes.ts';
import { type FollowedCatalogue, type Owned, Ownership } from './ownership.ts';

const topicId = 'orders-topic-id-';

/** A log store that finishes opening a log when the test says so, and a catalogue that the test fills. */
function world() {
  const clock = manualClock();
  const open = new Map<string, PartitionLog>();
  const opened: number[] = [];
  const openings: (() => void)[] = [];
  const released: PartitionLog[] = [];
  const store = {
    get: (id: string, partition: number) => open.get(id + partition),
    open(id: string, partition: number, leaderEpoch: number) {
      opened.push(leaderEpoch);
      return new Promise<PartitionLog>((resolve) => {
        openings.push(() => {
          const log = { topicId: id, partition, leaderEpoch, isOpen: true, setConfigs: () => undefined };
          open.set(id + partition, log as unknown as PartitionLog);
          resolve(log as unknown as PartitionLog);
        });
      });
    },
    prepareRelease: () => Promise.resolve(),
    release(logs: readonly PartitionLog[]) {
      for (const log of logs) open.delete(log.topicId + log.partition);
      released.push(...logs);
      return Promise.resolve();
    },
  };
  let entry: TopicEntry | undefined;
  const listeners: ((id: string) => void)[] = [];
  const catalogue = {
    byId: () => entry,
    refresh: () => undefined,
    onPlacement: (listener: (id: string) => void) => void listeners.push(listener),
  };
  const remove = (): void => {
    entry = undefined;
    for (const listener of listeners) listener(topicId);
  };
  const place = (brokerId: number, leaderEpoch: number): void => {
    const partitions = [{ index: 0, brokerId, leaderEpoch, reason: 'created', movedAtMs: 0 }];
    entry = { name: 'c.orders', topicId, clusterId: 'c', partitions, configs: {}, createdAtMs: 0 };
    for (const listener of listeners) listener(topicId);
  };
  const ownership = new Ownership(1, store as unknown as LogStore, catalogue as unknown as FollowedCatalogue, clock);
  const ask = (sentEpoch = -1): Owned[] => {
    const answers: Owned[] = [];
    ownership.with(topicId, 0, (owned) => answers.push(owned), sentEpoch);
    return answers;
  };
  const finishOpening = async (): Promise<void> => {
    openings.shift()!();
    await clock.settle();
  };
  return { clock, place, remove, ownership, ask, finishOpening, opened, released };
}

const closing = (): Promise<void> => Promise.resolve();

describe('ownership', () => {
  it('refuses to release a log that it has taken back at a later epoch than was asked for', async () => {
    const { clock, place, ownership, ask, finishOpening, released } = world();
    place(1, 1);
    ask();
    await finishOpening();
    const told: boolean[] = [];
    ownership.onReleased = (_given, isReleased) => told.push(isReleased);
    const late = ownership.release([{ topicId, partition: 0, leaderEpoch: 0 }], closing);
    await expect(late).rejects.toMatchObject({ code: 'not-owner' });
    await ownership.release([{ topicId, partition: 0, leaderEpoch: 1 }], closing);
    expect([released.length, told]).toEqual([1, [false, true]]);
    await clock.settle();
  });

  it('keeps the order of requests that arrive while the log is opening', async () => {
    const { place, ownership, finishOpening } = world();
    place(1, 0);
    const order: number[] = [];
    for (const i of [1, 2, 3]) ownership.with(topicId, 0, () => order.push(i));
    await finishOpening();
    ownership.with(topicId, 0, () => order.push(4));
    expect(order).toEqual([1, 2, 3, 4]);
  });

  it('opens no log of a deleted topic, even before its feed reports the deletion', async () => {
    const { clock, place, remove, ownership, ask, finishOpening, opened } = world();
    place(1, 0);
    const early = ask();
    let isOver = false;
    void ownership.delete(topicId, 0).then(() => (isOver = true));
    await clock.settle();
    // A request waits for a log that is being opened.
    expect(isOver).toBe(false);
    await finishOpening();
    expect(isOver).toBe(true);
    expect(early).toMatchObject([{ log: { leaderEpoch: 0 } }]);
    await ownership.release([{ topicId, partition: 0, leaderEpoch: 0 }], closing);
    place(1, 1);
    const late = ask();
    await clock.advance(200);
    expect(late).toEqual([{ errorCode: errorCode.notLeaderOrFollower }]);
    remove();
    const afterwards = ask();
    await clock.advance(200);
    expect(afterwards).toEqual([{ errorCode: errorCode.unknownTopicId }]);
    expect(opened).toEqual([0]);
  });

  it('waits for the change feed before it sends a request elsewhere', async () => {
    const { clock, place, ask, finishOpening } = world();
    const answers = ask();
    await clock.settle();
    expect(answers).toEqual([]);
    place(1, 0);
    await clock.settle();
    await finishOpening();
    expect(answers).toHaveLength(1);
    expect('log' in answers[0]!).toBe(true);
  });

  it('answers NOT_LEADER when the feed names another owner', async () => {
    const { clock, place, ask } = world();
    place(2, 0);
    const answers = ask();
    await clock.settle();
    await clock.advance(1000);
    expect(answers).toEqual([{ errorCode: errorCode.notLeaderOrFollower }]);
  });

  it('does not wait for the feed if the sender knew no newer row', async () => {
    const { clock, place, ask } = world();
    place(2, 5);
    for (const sentEpoch of [4, 5]) {
      const answers = ask(sentEpoch);
      await clock.settle();
      expect(answers).toEqual([{ errorCode: errorCode.notLeaderOrFollower }]);
    }
    // This one did, and the feed comes by.
    const ahead = ask(6);
    await clock.advance(100);
    expect(ahead).toEqual([]);
    place(3, 6);
    await clock.settle();
    expect(ahead).toEqual([{ errorCode: errorCode.notLeaderOrFollower }]);
  });

  it.each([4, -1])(
    'returns requests that arrived during a release as soon as the next owner is known (%i)',
    async (sent) => {
      const { clock, place, ownership, ask, opened } = world();
      place(1, 4);
      await ownership.release([{ topicId, partition: 0, leaderEpoch: 4 }], closing);
      const answers = ask(sent);
      await clock.advance(100);
      expect(answers).toEqual([]);
      place(2, 5);
      await clock.settle();
      expect(answers).toEqual([{ errorCode: errorCode.notLeaderOrFollower }]);
      expect(opened).toEqual([]);
    },
  );

  it('never opens a log at an epoch that was given up, even if it was not open then', async () => {
    const { clock, place, ownership, ask, opened, finishOpening } = world();
    place(1, 4);
    await ownership.release([{ topicId, partition: 0, leaderEpoch: 4 }], closing);
    const late = ask();
    await clock.settle();
    await clock.advance(1000);
    expect(late).toEqual([{ errorCode: errorCode.notLeaderOrFollower }]);
    expect(opened).toEqual([]);
    place(1, 6);
    const again = ask();
    await clock.settle();
    await finishOpening();
    expect('log' in again[0]!).toBe(true);
    expect(opened).toEqual([6]);
  });

  it('releases a log that was being opened when the release came', async () => {
    const { clock, place, ownership, ask, released, finishOpening } = world();
    place(1, 4);
    ask();
    await clock.settle();
    let done = false;
    const releasing = ownership.release([{ topicId, partition: 0, leaderEpoch: 4 }], closing).then(() => {
      done = true;
    });
    await clock.settle();
    expect(done).toBe(false);
    await finishOpening();
    await releasing;
    expect(released.map((log) => log.leaderEpoch)).toEqual([4]);
  });
});
