import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../kernel/random.ts';
import { uuidOf } from '../../kernel/uuid.ts';
import type { Row, RowKey } from '../../ports.ts';
import { type BrokerSession, brokerSessionKey, decodeBrokerSession, encodeBrokerSession } from './broker-session.ts';
import { type BrokerWish, brokerWishKey, decodeBrokerWish, encodeBrokerWish, wishedBroker } from './broker-wish.ts';
import { decodeDeletedTopic, deletedTopicKey, encodeDeletedTopic } from './deleted-topic.ts';
import { decodeFleet, encodeFleet, fleetKey } from './fleet.ts';
import { decodeFleetReport, encodeFleetReport, type FleetReport, fleetReportKey } from './fleet-report.ts';
import { brokerLeaseKey, controllerLeaseKey, decodeLease, encodeLease } from './lease.ts';
import { decodePlacement, encodePlacement, partitionsPerTopicMax, placementKey } from './placement.ts';
import { decodeProducerIds, encodeProducerIds, producerIdsKey } from './producer-ids.ts';
import { RowCorrupt } from '../../store-row-json.ts';
import { decodeShard, encodeShard, shardKey, shardPk } from './shard.ts';
import { decodeTopic, encodeTopic, topicKey } from './topic.ts';

const row = (key: RowKey, value: string): Row => ({ ...key, value, version: 1 });
const whole = fc.nat();
const uuid = fc.nat().map((seed) => uuidOf(seededRandom(seed)));
const shard = fc.integer({ min: 0, max: 63 });

describe('engine rows read back what was written', () => {
  it('broker session', () => {
    const sessions = fc.record({
      brokerId: fc.integer({ min: 1, max: 999_999_999 }),
      epoch: whole,
      state: fc.constantFrom('serving', 'draining', 'fenced', 'closed'),
      zone: fc.string(),
      volume: fc.string(),
      address: fc.string(),
      pid: whole,
    }) as fc.Arbitrary<BrokerSession>;
    fc.assert(
      fc.property(sessions, (session) => {
        const stored = row(brokerSessionKey(session.brokerId), encodeBrokerSession(session));
        expect(decodeBrokerSession(stored)).toEqual(session);
      }),
    );
  });

  it('lease, shard and producer ids', () => {
    fc.assert(
      fc.property(whole, whole, fc.string(), shard, (a, b, text, s) => {
        const lease = { epoch: a, durationMs: b, renewals: a + b };
        expect(decodeLease(row(brokerLeaseKey(a), encodeLease(lease)))).toEqual(lease);
        const noted = { ...lease, syncedLsn: b };
        expect(decodeLease(row(brokerLeaseKey(a), encodeLease(noted)))).toEqual(noted);
        const owned = { controllerId: text, epoch: b };
        expect(decodeShard(row(shardKey(s), encodeShard(owned)))).toEqual(owned);
        expect(decodeProducerIds(row(producerIdsKey, encodeProducerIds({ next: a })))).toEqual({ next: a });
      }),
    );
  });

  it('fleet and broker wishes, and the fleet report', () => {
    const wishes = fc.record({
      act: fc.constantFrom('none', 'drain', 'restart', 'replace'),
      afterEpoch: whole,
      isDone: fc.boolean(),
      left: whole,
    }) as fc.Arbitrary<BrokerWish>;
    const percents = fc.dictionary(fc.string(), whole, { noNullPrototype: true });
    const reports = fc.record({
      seen: whole,
      acted: whole,
      left: percents,
      scaling: fc.record({
        brokers: whole,
        brokersMin: whole,
        brokersMax: whole,
        override: fc.option(fc.integer({ min: 1, max: 1000 })),
        evacuatedZones: fc.array(fc.string()),
        decision: fc.constantFrom('stay', 'out', 'in'),
        reason: fc.string(),
        dimension: fc.string(),
        shares: percents.map((all) => Object.fromEntries(Object.entries(all).map(([name, n]) => [name, n / 4]))),
        changedAtMs: whole,
      }),
    }) as fc.Arbitrary<FleetReport>;
    fc.assert(
      fc.property(wishes, reports, whole, fc.array(fc.string()), (wish, report, brokers, evacuated) => {
        expect(decodeBrokerWish(row(brokerWishKey(brokers), encodeBrokerWish(wish)))).toEqual(wish);
        expect(wishedBroker(brokerWishKey(brokers))).toBe(brokers);
        const stored = decodeFleetReport(row(fleetReportKey, encodeFleetReport(report)));
        expect(stored).toEqual(report);
        const fleet = { brokers, override: report.seen, evacuated };
        expect(decodeFleet(row(fleetKey, encodeFleet(fleet)))).toEqual(fleet);
      }),
    );
    for (const other of [fleetKey, fleetReportKey]) expect(wishedBroker(other)).toBeUndefined();
    expect(() => decodeBrokerWish(row(brokerWishKey(1), '{"act":"dance"}'))).toThrow(RowCorrupt);
  });

  it('topic, with any name and configs, and with requested replicas', () => {
    const nodes = fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 3 });
    const replicas = fc.record({ factor: fc.integer({ min: 1, max: 3 }), nodeIds: fc.array(nodes) });
    const members = {
      name: fc.string({ minLength: 1 }),
      topicId: uuid,
      clusterId: fc.string(),
      partitions: whole,
      configs: fc.dictionary(fc.string(), fc.string(), { noNullPrototype: true }),
      createdAtMs: whole,
    };
    const topics = fc.oneof(fc.record(members), fc.record({ ...members, replicas }));
    fc.assert(
      fc.property(topics, shard, (topic, s) => {
        expect(decodeTopic(row(topicKey(s, topic.name), encodeTopic(topic)))).toEqual(topic);
      }),
    );
  });

  it('placement and deleted topic', () => {
    const partitions = fc.array(
      fc.record({
        brokerId: fc.integer({ min: -1, max: 300 }),
        leaderEpoch: whole,
        reason: fc.constantFrom('created', 'broker-dead', 'a reason of a later version'),
        movedAtMs: whole,
      }),
    );
    fc.assert(
      fc.property(uuid, shard, partitions, (topicId, s, list) => {
        const placement = { topicId, partitions: list };
        expect(decodePlacement(row(placementKey(s, topicId), encodePlacement(placement)))).toEqual(placement);
        const deleted = {
          topicId,
          partitions: list.map(({ brokerId, leaderEpoch }, i) => ({ index: i * 2, brokerId, leaderEpoch })),
        };
        expect(decodeDeletedTopic(row(deletedTopicKey(s, topicId), encodeDeletedTopic(deleted)))).toEqual(deleted);
      }),
    );
  });

  it('the keys that other programs and documents name stay the same', () => {
    expect(brokerSessionKey(3)).toEqual({ pk: 'BROKER', sk: '3' });
    expect(brokerLeaseKey(3)).toEqual({ pk: 'LEASE', sk: 'broker-3' });
    expect(controllerLeaseKey('x')).toEqual({ pk: 'LEASE', sk: 'controller-x' });
    expect(shardKey(7)).toEqual({ pk: 'SHARD', sk: '07' });
    expect(shardPk(7)).toBe('SHARD#07');
    const topicId = uuidOf(seededRandom(1));
    expect(placementKey(63, topicId)).toMatchObject({ pk: 'SHARD#63', sk: expect.stringMatching(/^PLACE#[\w-]{22}$/) });
    expect(topicKey(0, 'k.orders')).toEqual({ pk: 'SHARD#00', sk: 'TOPIC#k.orders' });
  });

  it('the largest placement fits half a value of the store', () => {
    const partitions = Array.from({ length: partitionsPerTopicMax }, (_, i) => ({
      brokerId: 100 + (i % 800),
      leaderEpoch: 10_000 + i,
      reason: 'broker-dead',
      movedAtMs: 1_800_000_000_000 + i,
    }));
    const bytes = Buffer.byteLength(encodePlacement({ topicId: uuidOf(seededRandom(1)), partitions }));
    expect(bytes).toBeLessThan(220 * 1024);
  });
});

describe('damaged engine rows are named', () => {
  const topicId = uuidOf(seededRandom(1));
  const place = placementKey(1, topicId);
  const asked = { name: 'a', topicId, clusterId: 'c', partitions: 1, configs: {}, createdAtMs: 0 };
  const oddReplicas = encodeTopic({ ...asked, replicas: { factor: 2, nodeIds: [[1, 2], []] } });
  it.each([
    ['not JSON', () => decodeShard(row(shardKey(1), '{'))],
    ['an array', () => decodeShard(row(shardKey(1), '[]'))],
    ['a missing field', () => decodeLease(row(brokerLeaseKey(1), '{"epoch":1}'))],
    ['a negative count', () => decodeProducerIds(row(producerIdsKey, '{"next":-1}'))],
    ['an unknown state', () => decodeBrokerSession(row(brokerSessionKey(1), '{"state":"odd","epoch":1}'))],
    ['a foreign key', () => decodeBrokerSession(row({ pk: 'BROKER', sk: 'x' }, '{}'))],
    ['a topic id that is none', () => decodeTopic(row(topicKey(1, 'a'), '{"topicId":"?"}'))],
    ['a partition without replicas', () => decodeTopic(row(topicKey(1, 'a'), oddReplicas))],
    ['columns of different length', () => decodePlacement(row(place, encodeDamaged([1], [])))],
    ['a reason out of the table', () => decodePlacement(row(place, encodeDamaged([9], [1])))],
  ])('%s', (_, decode) => {
    expect(decode).toThrow(RowCorrupt);
  });
});

function encodeDamaged(reasons: number[], movedAtMs: number[]): string {
  return JSON.stringify({ owners: [1], epochs: [1], reasonNames: ['created'], reasons, movedAtMs });
}
