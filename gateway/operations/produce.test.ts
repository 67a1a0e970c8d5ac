import { beforeEach, describe, expect, it } from 'vitest';
import { type ManualClock, manualClock } from '../../engine/kernel/manual-clock.ts';
import { seededRandom } from '../../engine/kernel/random.ts';
import { errorCode } from '../../engine/protocol/error-codes.ts';
import { baseSequence, producerId, recordCount } from '../../engine/records/batch.ts';
import type { Append, AppendResult, Engine, TopicEntry } from '../../engine/engine.ts';
import type { Principal, Tenancy } from '../../tenancy/tenancy.ts';
import type { GatewayContext } from '../context.ts';
import { type ProduceOutcome, RecordProducer } from './produce.ts';
import { createTopic } from './topics.ts';
import { gatewayInTest } from '../gateway-in-test.suite.ts';

const stored = (baseOffset: number): AppendResult => ({
  errorCode: 0,
  baseOffset,
  logAppendTimeMs: -1,
  logStartOffset: 0,
  errorMessage: null,
});
const lost: AppendResult = {
  errorCode: errorCode.requestTimedOut,
  baseOffset: -1,
  logAppendTimeMs: -1,
  logStartOffset: -1,
  errorMessage: null,
};

describe('RecordProducer', () => {
  let clock: ManualClock;
  let context: GatewayContext;
  let engine: Engine;
  let tenancy: Tenancy;
  let producer: RecordProducer;
  let principal: Principal;
  let topic: TopicEntry;
  /** Appends that the test answers itself. */
  let appends: Append[];

  beforeEach(async () => {
    clock = manualClock();
    const settings = { batchesInFlightMax: 2, producerLinesMax: 18 };
    const gateway = await gatewayInTest({ clock, random: seededRandom(1) }, settings);
    ({ context, engine, tenancy } = gateway);
    const { tenantId } = await tenancy.createTenant('t');
    const { clusterId } = await tenancy.createCluster({
      tenantId,
      name: 'c',
      limits: { ingressBytesPerSecondMax: 2_000_000 },
    });
    principal = { tenantId, clusterId, keyId: 'k' };
    topic = await createTopic(context, principal, { name: 'orders', partitions: 20, configs: {} });
    appends = [];
    engine.append = (append) => void appends.push(append);
    producer = new RecordProducer(context);
  });

  const produce = (values: readonly string[], partition = 0): { outcomes: readonly ProduceOutcome[] | undefined } => {
    const answer: { outcomes: readonly ProduceOutcome[] | undefined } = { outcomes: undefined };
    const records = values.map((value) => ({ key: null, value: Buffer.from(value), partition }));
    producer.produce(principal, topic, records, (outcomes) => {
      answer.outcomes = outcomes;
    });
    return answer;
  };

  it('puts all requests of a turn into one batch, and gives each its own offsets', async () => {
    const first = produce(['a', 'b']);
    const second = produce(['c']);
    await clock.settle();
    expect(appends.map(({ records }) => recordCount(records, 0))).toEqual([3]);
    appends[0]!.done(stored(40));
    expect(first.outcomes?.map(({ offset }) => offset)).toEqual([40, 41]);
    expect(second.outcomes?.map(({ offset }) => offset)).toEqual([42]);
    expect(producer.requestsUnderWay).toBe(0);
  });

  it('refuses only the record without a key in a compacted topic', async () => {
    topic = { ...topic, configs: { 'cleanup.policy': 'compact' } };
    const record = { value: Buffer.from('v'), partition: 0 };
    let outcomes: readonly ProduceOutcome[] = [];
    producer.produce(
      principal,
      topic,
      [
        { ...record, key: Buffer.from('k') },
        { ...record, key: null },
        { ...record, key: Buffer.from('k') },
      ],
      (told) => void (outcomes = told),
    );
    await clock.settle();
    expect(appends.map(({ records }) => recordCount(records, 0))).toEqual([2]);
    appends[0]!.done(stored(7));
    expect(outcomes.map(({ errorCode: code, offset }) => [code, offset])).toEqual([
      [0, 7],
      [errorCode.invalidRecord, -1],
      [0, 8],
    ]);
  });

  it('gives back the memory of a batch only when the engine is done with it', async () => {
    for (const isFree of [true, false, undefined]) {
      const answer = produce(['x'.repeat(20_000), 'y'.repeat(20_000)]);
      await clock.settle();
      const append = appends.pop()!;
      append.done(stored(0), isFree);
      expect(answer.outcomes?.map(({ offset }) => offset)).toEqual([0, 1]);
      // In tests, memory that is given back is overwritten at once.
      expect(recordCount(append.records, 0) === 2).toBe(!isFree);
    }
  });

  it('numbers batches without gaps and keeps at most batchesInFlightMax in flight', async () => {
    for (let i = 0; i < 4; i++) {
      produce(['x', 'y']);
      await clock.settle();
    }
    expect(appends.map(({ records }) => baseSequence(records, 0))).toEqual([0, 2]);
    appends[0]!.done(stored(0));
    // The records that waited meanwhile have become one batch.
    expect(appends.map(({ records }) => [baseSequence(records, 0), recordCount(records, 0)])).toEqual([
      [0, 2],
      [2, 2],
      [4, 4],
    ]);
  });

  it('continues under a new producer id after a batch with an unknown outcome, once batches in flight are done', async () => {
    const first = produce(['a']);
    await clock.settle();
    const second = produce(['b']);
    await clock.settle();
    const third = produce(['c']);
    await clock.settle();
    appends[0]!.done(lost);
    expect(first.outcomes?.[0]?.errorCode).toBe(errorCode.requestTimedOut);
    await clock.settle();
    expect(appends.length).toBe(2);
    appends[1]!.done({ ...lost, errorCode: errorCode.outOfOrderSequenceNumber });
    expect(second.outcomes?.[0]?.errorCode).toBe(errorCode.outOfOrderSequenceNumber);
    await clock.settle();
    const [before, , after] = appends.map(({ records }) => producerId(records, 0));
    expect(after).not.toBe(before);
    expect(baseSequence(appends[2]!.records, 0)).toBe(0);
    appends[2]!.done(stored(7));
    expect(third.outcomes?.[0]?.offset).toBe(7);
  });

  it('refuses what waits for a producer id that cannot be allocated, and asks for another with the next record', async () => {
    const allocate = engine.allocateProducerId.bind(engine);
    engine.allocateProducerId = () => Promise.reject(new Error('no store'));
    const refused = [produce(['a', 'b']), produce(['c'])];
    const again: { outcomes: readonly ProduceOutcome[] | undefined }[] = [];
    // A caller that repeats the record as soon as it is told.
    producer.produceOne(
      principal,
      topic,
      { key: null, value: Buffer.from('d'), partition: 0 },
      ({ errorCode: code }) => {
        expect(code).toBe(errorCode.coordinatorNotAvailable);
        engine.allocateProducerId = allocate;
        again.push(produce(['d']));
      },
    );
    await clock.settle();
    const codes = refused.map(({ outcomes }) => outcomes?.map((outcome) => outcome.errorCode));
    expect(codes).toEqual([
      [errorCode.coordinatorNotAvailable, errorCode.coordinatorNotAvailable],
      [errorCode.coordinatorNotAvailable],
    ]);
    expect(appends.map(({ records }) => [baseSequence(records, 0), recordCount(records, 0)])).toEqual([[0, 1]]);
    appends[0]!.done(stored(0));
    expect(again[0]!.outcomes).toMatchObject([{ errorCode: 0, offset: 0 }]);
    expect(producer.requestsUnderWay).toBe(0);
  });

  it('refuses records of a partition while too many bytes wait for it, and takes others', async () => {
    producer = new RecordProducer({ ...context, settings: { ...context.settings, batchBacklogBytesMax: 100_000 } });
    for (let i = 0; i < 3; i++) {
      produce(['x'.repeat(60_000)]);
      await clock.settle();
    }
    // Two batches are in flight, one waits.
    const refused = produce(['x']);
    const other = produce(['x'], 1);
    await clock.settle();
    expect(refused.outcomes).toMatchObject([{ errorCode: errorCode.throttlingQuotaExceeded, partition: 0 }]);
    expect(other.outcomes).toBeUndefined();
    for (const append of appends) append.done(stored(0));
    const taken = produce(['x']);
    expect(taken.outcomes).toBeUndefined();
  });

  it('forgets silent partitions when there are many, whatever the busy ones are', async () => {
    const idOf = async (partition: number): Promise<number> => {
      produce(['x'], partition);
      await clock.settle();
      return producerId(appends.at(-1)!.records, 0);
    };
    // As many busy ones as one new line looks at.
    for (let partition = 0; partition < 16; partition++) await idOf(partition);
    const silent = await idOf(16);
    appends.at(-1)!.done(stored(0));
    expect(await idOf(16)).toBe(silent);
    appends.at(-1)!.done(stored(1));
    await idOf(17);
    await idOf(18);
    await idOf(19);
    expect(await idOf(16)).not.toBe(silent);
    expect(baseSequence(appends.at(-1)!.records, 0)).toBe(0);
    expect(await idOf(0)).toBe(producerId(appends[0]!.records, 0));
    expect(baseSequence(appends.at(-1)!.records, 0)).toBe(1);
  });

  it('refuses records that can never be stored at once, and stores the others', async () => {
    const answer = produce(['x'.repeat(2_000_000), 'small']);
    await clock.settle();
    appends[0]!.done(stored(0));
    expect(answer.outcomes?.map((outcome) => outcome.errorCode)).toEqual([errorCode.messageTooLarge, 0]);
  });

  it('delays answers by quota, and refuses when the wait would be too long', async () => {
    const answers = Array.from({ length: 4 }, () => produce(['x'.repeat(900_000)]));
    await clock.settle();
    for (let i = 0; i < appends.length; i++) appends[i]!.done(stored(i));
    const { outcomes } = answers[3]!;
    expect(outcomes).toBeUndefined();
    await clock.advance(1_000);
    expect(answers[3]!.outcomes?.[0]?.errorCode).toBe(0);
    for (let i = 0; i < 4; i++) {
      try {
        produce(['x'.repeat(900_000)]);
      } catch (error) {
        expect(error).toMatchObject({ code: 'quota-exceeded', quota: 'ingressBytesPerSecondMax' });
        return;
      }
      await clock.settle();
      for (const append of appends.splice(0)) append.done(stored(0));
    }
    expect.unreachable('more than the quota was taken');
  });

  it("applies the cluster's changed limits from the next batch on", async () => {
    produce(['a']);
    await clock.settle();
    appends[0]!.done(stored(0));
    await tenancy.updateCluster(principal.clusterId, { limits: { messageBytesMax: 1_000 } });
    const refused = produce(['x'.repeat(2_000)]);
    await clock.settle();
    expect(refused.outcomes).toMatchObject([{ errorCode: errorCode.messageTooLarge }]);
    await tenancy.updateCluster(principal.clusterId, { limits: { messageBytesMax: 10_000 } });
    produce(['x'.repeat(2_000)]);
    await clock.settle();
    expect(appends).toHaveLength(2);
  });

  it('applies changed topic configs', async () => {
    produce(['x']);
    await clock.settle();
    topic = { ...topic, configs: { 'max.message.bytes': '100' } };
    const answer = produce(['x'.repeat(200)]);
    await clock.settle();
    expect(answer.outcomes?.[0]?.errorCode).toBe(errorCode.messageTooLarge);
  });
});
