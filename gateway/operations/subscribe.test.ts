import { beforeEach, describe, expect, it } from 'vitest';
import type { FetchedPartition, FetchOptions, FetchPartition, TopicEntry } from '../../engine/engine.ts';
import { type Failure, Overloaded } from '../../engine/kernel/failure.ts';
import { type ManualClock, manualClock } from '../../engine/kernel/manual-clock.ts';
import { seededRandom } from '../../engine/kernel/random.ts';
import { errorCode } from '../../engine/protocol/error-codes.ts';
import { restamp } from '../../engine/records/batch.ts';
import { encodeBatch } from '../../engine/records/encode.ts';
import type { Principal } from '../../tenancy/tenancy.ts';
import type { GatewayContext } from '../context.ts';
import { gatewayDefaults } from '../settings.ts';
import { UnreadableRecords } from './records-to-json.ts';
import { type Credit, type Delivery, Subscription } from './subscribe.ts';
import { createTopic } from './topics.ts';
import { gatewayInTest } from '../gateway-in-test.suite.ts';

/** A batch of `count` records that starts at `offset`. */
function batch(offset: number, count: number): Buffer {
  const records = Array.from({ length: count }, () => ({ key: null, value: Buffer.from('v'), timestampMs: 0 }));
  const bytes = encodeBatch(records);
  restamp(bytes, 0, offset, 0);
  return bytes;
}

describe('Subscription', () => {
  let clock: ManualClock;
  let context: GatewayContext;
  let principal: Principal;
  let topic: TopicEntry;
  /** Reads that the test answers. */
  let reads: {
    asked: readonly FetchPartition[];
    options: FetchOptions;
    answer: (parts: Partial<FetchedPartition>[]) => Promise<void>;
    fail: (error: Error) => Promise<void>;
  }[];
  let told: unknown[];
  let hold: Promise<void> | undefined;

  beforeEach(async () => {
    clock = manualClock();
    const { engine, tenancy, context: own } = await gatewayInTest({ clock, random: seededRandom(2) });
    context = own;
    const { tenantId } = await tenancy.createTenant('t');
    const { clusterId } = await tenancy.createCluster({ tenantId, name: 'c' });
    principal = { tenantId, clusterId, keyId: 'k' };
    topic = await createTopic(context, principal, { name: 'orders', partitions: 2, configs: {} });
    [reads, told, hold] = [[], [], undefined];
    engine.fetch = (asked, options) =>
      new Promise((resolve, reject) => {
        const fail = (error: Error): Promise<void> => {
          reject(error);
          return clock.settle();
        };
        const answer = async (parts: Partial<FetchedPartition>[]): Promise<void> => {
          const whole = {
            topicId: topic.topicId,
            partition: 0,
            errorCode: 0,
            highWatermark: 100,
            lastStableOffset: 100,
            logStartOffset: 0,
            records: [],
          };
          resolve(parts.map((part) => ({ ...whole, ...part })));
          await clock.settle();
        };
        reads.push({ asked, options, answer, fail });
      });
  });

  const subscribe = async (credit: Credit, unit?: 'records' | 'batches', partitions = [0]): Promise<Subscription> => {
    const positions = partitions.map((partition) => ({ partition, offset: 0 }));
    const holder = {
      deliver: ({ partition, fromOffset, nextOffset, records }: Delivery) => {
        told.push([partition, fromOffset, nextOffset, records]);
        return hold;
      },
      gap: (...gap: number[]) => void told.push(['gap', ...gap]),
      unavailable: (partition: number, { code }: Failure) => void told.push(['unavailable', partition, code]),
      available: (partition: number) => void told.push(['available', partition]),
      failed: (code: number) => void told.push(['failed', code]),
      unreadable: () => void told.push(['unreadable']),
    };
    const subscription = new Subscription(context, principal, topic, positions, credit, holder, unit);
    subscription.start();
    await clock.settle();
    return subscription;
  };
  const boundless = { records: Infinity, bytes: Infinity };
  const kinds = (): unknown[] => told.map((each) => (each as unknown[])[0]);

  it('delivers no more records than there is credit for, and reads the rest of the batch later', async () => {
    const subscription = await subscribe({ records: 3, bytes: Infinity }, 'records');
    await reads[0]!.answer([{ records: [batch(0, 2), batch(2, 5)] }]);
    expect(told).toEqual([
      [0, 0, 2, 2],
      [0, 2, 3, 1],
    ]);
    expect(reads.length).toBe(1);
    subscription.grant(10, 0);
    await clock.settle();
    expect(reads[1]!.asked[0]?.offset).toBe(3);
    await reads[1]!.answer([{ records: [batch(2, 5)] }]);
    expect(told.at(-1)).toEqual([0, 3, 7, 4]);
    expect(subscription.credit.records).toBe(6);
  });

  it('goes on with credit that came while its holder was busy with the last records that it might send', async () => {
    const subscription = await subscribe({ records: 1, bytes: Infinity }, 'records');
    let release = (): void => undefined;
    hold = new Promise((resolve) => (release = resolve));
    await reads[0]!.answer([{ records: [batch(0, 3)] }]);
    hold = undefined;
    subscription.grant(5, 0);
    release();
    await clock.settle();
    expect(reads[1]!.asked[0]?.offset).toBe(1);
    await reads[1]!.answer([{ records: [batch(0, 3)] }]);
    expect(told).toEqual([
      [0, 0, 1, 1],
      [0, 1, 3, 2],
    ]);
  });

  it('pays for a batch in bytes, and for a part of one its share', async () => {
    const { length } = batch(0, 4);
    const subscription = await subscribe({ records: 1, bytes: length }, 'records');
    await reads[0]!.answer([{ records: [batch(0, 4)] }]);
    expect(subscription.credit.bytes).toBe(length - Math.ceil(length / 4));
    subscription.grant(10, 0);
    await clock.settle();
    await reads[1]!.answer([{ records: [batch(0, 4)] }]);
    expect(subscription.credit.bytes).toBeLessThanOrEqual(0);
    expect(reads.length).toBe(2);
    subscription.grant(0, length);
    await clock.settle();
    expect(reads[2]!.asked[0]).toMatchObject({ offset: 4 });
  });

  it('asks again for a partition that moves, after a moment', async () => {
    await subscribe(boundless);
    await reads[0]!.answer([{ errorCode: errorCode.notLeaderOrFollower }]);
    await clock.advance(49);
    expect(reads.length).toBe(1);
    await clock.advance(1);
    expect(reads.length).toBe(2);
  });

  it('is refused once the subscriptions of a cluster read as many partitions as allowed', async () => {
    // One cluster may have half of them.
    context = { ...context, settings: { ...gatewayDefaults, subscribedPartitionsMax: 6 } };
    const first = await subscribe(boundless, 'batches', [0, 1]);
    await subscribe(boundless, 'batches', [0]);
    await expect(subscribe(boundless, 'batches', [1])).rejects.toThrow(Overloaded);
    first.close();
    first.close();
    await subscribe(boundless, 'batches', [0, 1]);
    await expect(subscribe(boundless, 'batches', [1])).rejects.toThrow(Overloaded);
  });

  it('may exceed the credit with the last batch when it delivers batches; the excess is then owed', async () => {
    const subscription = await subscribe({ records: 3, bytes: Infinity });
    await reads[0]!.answer([{ records: [batch(0, 5), batch(5, 5)] }]);
    expect(told).toEqual([[0, 0, 5, 5]]);
    subscription.grant(2, 0);
    await clock.settle();
    expect(reads.length).toBe(1);
    subscription.grant(1, 0);
    await clock.settle();
    expect(reads[1]!.asked[0]?.offset).toBe(5);
  });

  it('delivers nothing after close, whatever the read in flight returns', async () => {
    const subscription = await subscribe(boundless);
    subscription.close();
    expect(reads[0]!.options.cancellation?.isCancelled).toBe(true);
    await reads[0]!.answer([{ records: [batch(0, 1)] }, { errorCode: errorCode.offsetOutOfRange, logStartOffset: 9 }]);
    expect(told).toEqual([]);
  });

  it('shares one read among subscribers at the same position; the read ends when the last one leaves', async () => {
    const subscriptions = [await subscribe(boundless), await subscribe(boundless), await subscribe(boundless)];
    expect(reads.length).toBe(1);
    subscriptions[0]!.close();
    expect(reads[0]!.options.cancellation?.isCancelled).toBe(false);
    const before = context.tenancy.usage(principal.clusterId).fetchedRecords;
    await reads[0]!.answer([{ records: [batch(0, 2)] }]);
    expect(told).toEqual([
      [0, 0, 2, 2],
      [0, 0, 2, 2],
    ]);
    // Each is charged for what it received, and they continue together.
    expect(context.tenancy.usage(principal.clusterId).fetchedRecords - before).toBe(4);
    expect(reads.map(({ asked }) => asked[0]?.offset)).toEqual([0, 2]);
    subscriptions[1]!.close();
    expect(reads[1]!.options.cancellation?.isCancelled).toBe(false);
    subscriptions[2]!.close();
    expect(reads[1]!.options.cancellation?.isCancelled).toBe(true);
    // A subscriber that arrives at the position of an aborted read starts a read of its own.
    const late = await subscribe(boundless);
    expect(reads.length).toBe(3);
    late.close();
  });

  it('drops what arrives while it is paused, and reads it again later', async () => {
    const subscription = await subscribe(boundless);
    subscription.pause();
    await reads[0]!.answer([{ records: [batch(0, 4)] }]);
    expect([told, reads.length]).toEqual([[], 1]);
    subscription.resume();
    await clock.settle();
    await reads[1]!.answer([{ records: [batch(0, 4)] }]);
    expect(told).toEqual([[0, 0, 4, 4]]);
  });

  it('waits for one delivery to finish before the next', async () => {
    let go: () => void = () => {};
    hold = new Promise((resolve) => {
      go = resolve;
    });
    await subscribe(boundless);
    await reads[0]!.answer([{ records: [batch(0, 1), batch(1, 1)] }]);
    expect(told.length).toBe(1);
    hold = undefined;
    go();
    await clock.settle();
    expect(told.length).toBe(2);
  });

  it('reports a gap when retention has passed the position, and fails beyond the end', async () => {
    await subscribe(boundless);
    await reads[0]!.answer([{ errorCode: errorCode.offsetOutOfRange, logStartOffset: 7 }]);
    expect(told).toEqual([['gap', 0, 0, 7]]);
    await clock.advance(100);
    expect(reads[1]!.asked[0]?.offset).toBe(7);
    await reads[1]!.answer([{ errorCode: errorCode.offsetOutOfRange, logStartOffset: 0, highWatermark: 3 }]);
    expect(told.at(-1)).toEqual(['failed', errorCode.offsetOutOfRange]);
  });

  it('reports a damaged partition once and retries it now and then, while it reads the others', async () => {
    await subscribe(boundless, 'batches', [0, 1]);
    const damaged = { partition: 1, errorCode: errorCode.kafkaStorageError };
    await reads[0]!.answer([{ records: [batch(0, 1)] }, damaged]);
    expect(told).toEqual([
      [0, 0, 1, 1],
      ['unavailable', 1, 'segments-unavailable'],
    ]);
    await clock.advance(60);
    expect(reads[1]!.asked.map(({ partition }) => partition)).toEqual([0]);
    await reads[1]!.answer([{ records: [batch(1, 1)] }]);
    expect(reads[2]!.asked.map(({ partition }) => partition)).toEqual([0]);
    await clock.advance(1_000);
    await reads[2]!.answer([{ records: [batch(2, 1)] }]);
    expect(new Set(reads[3]!.asked.map(({ partition }) => partition))).toEqual(new Set([0, 1]));
    await reads[3]!.answer([{}, damaged]);
    expect(kinds().filter((what) => what === 'unavailable')).toHaveLength(1);
    await clock.advance(60);
    await clock.advance(1_000);
    await reads[4]!.answer([{}]);
    await reads[5]!.answer([{ partition: 1, records: [batch(0, 2)] }]);
    expect(told.slice(-2)).toEqual([
      ['available', 1],
      [1, 0, 2, 2],
    ]);
  });

  it('waits when its only partition is damaged, and reports a moving partition only if it stays away', async () => {
    await subscribe(boundless);
    await reads[0]!.answer([{ errorCode: errorCode.kafkaStorageError }]);
    await clock.advance(900);
    expect(reads).toHaveLength(1);
    await clock.advance(200);
    await reads[1]!.answer([{ records: [batch(0, 1)] }]);
    expect(kinds()).toEqual(['unavailable', 'available', 0]);
    for (let at = 2; at < 110; at++) {
      await reads[at]!.answer([{ errorCode: errorCode.leaderNotAvailable }]);
      await clock.advance(50);
      if (at < 80) expect(told).toHaveLength(3);
    }
    expect(told.slice(3)).toEqual([['unavailable', 0, 'owner-unavailable']]);
    await reads[110]!.answer([{}]);
    expect(told.at(-1)).toEqual(['available', 0]);
  });

  it.each([
    ['shared', boundless],
    ['of its own', { records: Infinity, bytes: 1_000 }],
  ])('a read %s that fails ends it once, and gives its room to others', async (_, credit) => {
    context = { ...context, settings: { ...gatewayDefaults, subscribedPartitionsMax: 2 } };
    for (const [error, code] of [
      [new Overloaded('too many reads'), errorCode.throttlingQuotaExceeded],
      [new Error('a bug'), errorCode.unknownServerError],
    ] as const) {
      const subscription = await subscribe(credit);
      await reads.at(-1)!.fail(error);
      expect(told.splice(0)).toEqual([['failed', code]]);
      subscription.grant(1, 1);
      subscription.close();
      await clock.advance(10_000);
      expect(told).toEqual([]);
    }
    expect(reads).toHaveLength(2);
    const closed = await subscribe(credit);
    closed.close();
    await reads[2]!.fail(new Error('aborted'));
    expect(told).toEqual([]);
  });

  it('a holder that fails to deliver ends only its own subscription', async () => {
    context = { ...context, settings: { ...gatewayDefaults, subscribedPartitionsMax: 4 } };
    const failing = [new UnreadableRecords(0, 0, 1, 'not readable'), new Error('a bug')];
    for (const error of failing) {
      hold = Promise.reject(error);
      hold.catch(() => undefined);
      await subscribe(boundless);
      await reads.at(-1)!.answer([{ records: [batch(0, 1)] }]);
      hold = undefined;
    }
    expect(told).toEqual([[0, 0, 1, 1], ['unreadable'], [0, 0, 1, 1], ['failed', errorCode.unknownServerError]]);
    // Both have given back their room.
    await subscribe(boundless);
    await subscribe(boundless);
    await reads.at(-1)!.answer([{ records: [batch(0, 1)] }]);
    expect(told.slice(4)).toEqual([
      [0, 0, 1, 1],
      [0, 0, 1, 1],
    ]);
  });

  it('starts each read with a different partition', async () => {
    await subscribe(boundless, 'batches', [0, 1]);
    await reads[0]!.answer([{}]);
    const first = reads.map(({ asked }) => asked[0]?.partition);
    expect(new Set(first)).toEqual(new Set([0, 1]));
  });
});
