/**
 * Every kind of row in the metadata store, with each single bit changed, cut at every length, and emptied, read back
 * through the store that a machine uses: the store has no checksums of its own.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  brokerSessionKey,
  decodeBrokerSession,
  encodeBrokerSession,
} from '../../engine/controller/rows/broker-session.ts';
import { brokerWishKey, decodeBrokerWish, encodeBrokerWish } from '../../engine/controller/rows/broker-wish.ts';
import { decodeDeletedTopic, deletedTopicKey, encodeDeletedTopic } from '../../engine/controller/rows/deleted-topic.ts';
import { decodeFleetReport, encodeFleetReport, fleetReportKey } from '../../engine/controller/rows/fleet-report.ts';
import { decodeFleet, encodeFleet, fleetKey } from '../../engine/controller/rows/fleet.ts';
import { brokerLeaseKey, decodeLease, encodeLease } from '../../engine/controller/rows/lease.ts';
import { decodePlacement, encodePlacement, placementKey } from '../../engine/controller/rows/placement.ts';
import { decodeProducerIds, encodeProducerIds, producerIdsKey } from '../../engine/controller/rows/producer-ids.ts';
import { decodeShard, encodeShard, shardKey } from '../../engine/controller/rows/shard.ts';
import { decodeTopic, encodeTopic, topicKey } from '../../engine/controller/rows/topic.ts';
import { systemClock } from '../../engine/kernel/clock.ts';
import { seededRandom } from '../../engine/kernel/random.ts';
import { uuidOf } from '../../engine/kernel/uuid.ts';
import { damageKey, decodeDamage, encodeDamage } from '../../engine/log/rows/damage.ts';
import { decodeLogState, encodeLogState, logStateKey } from '../../engine/log/rows/log-state.ts';
import { decodeSegmentFile, encodeSegmentFile, segmentFileKey } from '../../engine/log/rows/segment-file.ts';
import { decodeSegmentAndState, encodeSegment, segmentKey } from '../../engine/log/rows/segment.ts';
import { type MetadataStore, type Row, type RowKey, type StoreOp, storeOpsMax } from '../../engine/ports.ts';
import { RowCorrupt } from '../../engine/store-row-json.ts';
import { openLmdbStore } from '../store/lmdb.ts';
import { apiKeyKey, decodeApiKey, encodeApiKey } from './api-key.ts';
import { clusterCountsKey, decodeClusterCounts, encodeClusterCounts } from './cluster-counts.ts';
import { clusterKey, decodeCluster, encodeCluster } from './cluster.ts';
import { clusterNameKey, decodeNameClaim, encodeNameClaim } from './name-claim.ts';
import { decodeTenant, encodeTenant, tenantKey } from './tenant.ts';
import { decodeUsage, encodeUsage, usageKey } from './usage.ts';

const id = uuidOf(seededRandom(1));
const fileId = 'b000001-e0000000001-00000001-0123abcd';
const segment = {
  baseOffset: 7,
  endOffset: 90,
  fileId,
  position: 10,
  bytes: 500,
  indexPosition: 510,
  indexBytes: 20,
  stateBytes: 5000,
  maxTimestamp: 1_800_000_000_000,
};
const scaling = { brokers: 3, brokersMin: 3, brokersMax: 9, override: 4, evacuatedZones: ['b'], changedAtMs: 5 };
const why = { decision: 'out', reason: 'load', dimension: 'bytes', shares: { bytes: 0.5 } } as const;
const report = { seen: 1, acted: 2, left: { a: 1 }, scaling: { ...scaling, ...why } };
const cluster = {
  tenantId: 't1',
  name: 'Bücher 書',
  state: 'serving',
  autoCreateTopics: true,
  profile: 'serverless',
} as const;
const clusterRest = { defaultPartitions: 3, limits: { groupsMax: 5 }, createdAtMs: 9, brokerConfigs: { 'log.x': 'é' } };
const topic = { name: 'c1.orders', topicId: id, clusterId: 'c1', partitions: 2, configs: { 'retention.ms': '5' } };
const session = {
  brokerId: 3,
  epoch: 12,
  state: 'serving',
  zone: 'a',
  volume: '/v/3',
  address: 'unix:/s',
  pid: 77,
} as const;
const places = [0, 1].map((i) => ({ brokerId: i + 1, leaderEpoch: 5 + i, reason: 'created', movedAtMs: 6 }));
const counts = { topics: 3, partitions: 9, internalTopics: 1, milliMutations: 12, mutationsAtMs: 99, closed: false };
const apiKey = { clusterId: 'c1', name: 'app', secretHash: 'ab'.repeat(32), createdAtMs: 5, expiresAtMs: 0 };
const usage = {
  producedBytes: 5,
  producedRecords: 1,
  fetchedBytes: 7,
  fetchedRecords: 2,
  throttledMs: { groupsMax: 3 },
};
const deletedPartitions = [{ index: 4, brokerId: 2, leaderEpoch: 8 }];
const damage = { fileId, position: 16, what: 'a batch', topicId: 'AAAA', partition: 1, fromOffset: 5, foundAtMs: 6 };

type Kind = readonly [name: string, key: RowKey, value: string, decode: (row: Row) => unknown];

const kinds: readonly Kind[] = [
  ['broker session', brokerSessionKey(3), encodeBrokerSession(session), decodeBrokerSession],
  ['lease', brokerLeaseKey(3), encodeLease({ epoch: 12, durationMs: 1500, renewals: 8, syncedLsn: 900 }), decodeLease],
  ['shard', shardKey(7), encodeShard({ controllerId: 'controller-1', epoch: 4 }), decodeShard],
  ['topic', topicKey(7, topic.name), encodeTopic({ ...topic, createdAtMs: 1 }), decodeTopic],
  ['placement', placementKey(7, id), encodePlacement({ topicId: id, partitions: places }), decodePlacement],
  [
    'deleted topic',
    deletedTopicKey(7, id),
    encodeDeletedTopic({ topicId: id, partitions: deletedPartitions }),
    decodeDeletedTopic,
  ],
  ['fleet', fleetKey, encodeFleet({ brokers: 6, override: 0, evacuated: ['a'] }), decodeFleet],
  ['fleet report', fleetReportKey, encodeFleetReport(report), decodeFleetReport],
  [
    'broker wish',
    brokerWishKey(3),
    encodeBrokerWish({ act: 'drain', afterEpoch: 1, isDone: false, left: 0 }),
    decodeBrokerWish,
  ],
  ['producer ids', producerIdsKey, encodeProducerIds({ next: 4000 }), decodeProducerIds],
  ['log state', logStateKey(id, 1), encodeLogState({ startOffset: 5, epochs: [[1, 0]], foldedTo: 5 }), decodeLogState],
  ['segment', segmentKey(id, 1, 7), encodeSegment(segment, { producers: [], epochs: [] }), decodeSegmentAndState],
  ['segment file', segmentFileKey(fileId), encodeSegmentFile({ bytes: 9, segments: 2, liveBytes: 7 }), segmentFileOf],
  ['tenant', tenantKey('t1'), encodeTenant({ name: 'Ünal', clusters: 2, createdAtMs: 5 }), decodeTenant],
  ['name claim', clusterNameKey('t1', 'n'), encodeNameClaim({ id: 'c1' }), decodeNameClaim],
  ['cluster', clusterKey('c1'), encodeCluster({ ...cluster, ...clusterRest }), decodeCluster],
  ['cluster counts', clusterCountsKey('c1'), encodeClusterCounts(counts), decodeClusterCounts],
  ['API key', apiKeyKey('k1'), encodeApiKey(apiKey), decodeApiKey],
  ['usage', usageKey('c1'), encodeUsage(usage), decodeUsage],
];

/** Its reader has a value instead of a failure for a row that cannot be read. */
function segmentFileOf(row: Row): unknown {
  const file = decodeSegmentFile(row.value);
  if (!file) throw new RowCorrupt(row, 'unreadable');
  return file;
}

/** As the store would return the row if these bytes stood in its file. */
const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8');

function flipped(value: string, ...bits: number[]): string {
  const bytes = Buffer.from(value);
  for (const bit of bits) bytes[bit >> 3]! ^= 1 << (bit & 7);
  return textOf(bytes);
}

describe('rows whose bytes have changed in the store', () => {
  let directory: string;
  let store: MetadataStore;
  let rounds = 0;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'headgate.rows-'));
    store = openLmdbStore({ directory, clock: systemClock });
  });
  afterAll(async () => {
    await store.close();
    rmSync(directory, { recursive: true });
  });

  /** Writes each value and reads it back. The key under which it is stored leaves room for all of them. */
  async function throughStore(kind: Kind, values: readonly string[]): Promise<Row[]> {
    const [name, key] = kind;
    rounds++;
    const keyOf = (i: number): RowKey => ({ pk: `${name}#${rounds}#${i}`, sk: key.sk });
    const puts = values.map((value, i): StoreOp => ({ op: 'put', key: keyOf(i), value }));
    for (let i = 0; i < puts.length; i += storeOpsMax) await store.transact(puts.slice(i, i + storeOpsMax));
    const rows = await Promise.all(values.map((_, i) => store.get(keyOf(i))));
    return rows.map((row) => ({ ...row!, pk: key.pk }));
  }

  const rowOf = ([, key, value]: Kind): Row => ({ ...key, value, version: 1 });

  it.each(kinds)('%s: each single changed bit is mended', async (...kind) => {
    const [, , value, decode] = kind;
    const expected = decode(rowOf(kind));
    const bits = Array.from({ length: Buffer.byteLength(value) * 8 }, (_, bit) => bit);
    const rows = await throughStore(
      kind,
      bits.map((bit) => flipped(value, bit)),
    );
    for (const [bit, row] of rows.entries()) {
      expect({ bit, value: decode(row) }).toEqual({ bit, value: expected });
    }
  });

  it.each(kinds)('%s: more damage is noticed, and never read as something else', async (...kind) => {
    const [, , value, decode] = kind;
    const cuts = Array.from({ length: value.length }, (_, length) => value.slice(0, length));
    const bits = value.length * 8;
    const pairs = Array.from({ length: 500 }, (_, i) =>
      flipped(value, (i * 7919) % bits, (i * 104_729 + 1 + (i >> 3)) % bits),
    );
    const holes = cuts.map((_, at) => textOf(Buffer.from(value).fill(0, at, Math.min(at + 4, value.length))));
    const rows = await throughStore(kind, [...cuts, ...pairs, ...holes]);
    const expected = decode(rowOf(kind));
    for (const row of rows) {
      if (row.value === value) continue;
      const read = attempt(() => decode(row));
      // A hole of which one byte was zero, or two bits in one place, can be less than it seems.
      if (!(read instanceof RowCorrupt)) expect(read).toEqual(expected);
    }
    const unread = rows.filter((row) => attempt(() => decode(row)) instanceof RowCorrupt);
    expect(unread.length).toBeGreaterThan(rows.length * 0.9);
    for (const row of rows.slice(0, cuts.length)) expect(attempt(() => decode(row))).toBeInstanceOf(RowCorrupt);
  });

  it.each(kinds)('%s: a row of an older program is read, and an older program reads ours', (...kind) => {
    const [, , value, decode] = kind;
    const { crc, ...fields } = JSON.parse(value) as Record<string, unknown>;
    expect(crc).toBeTypeOf('number');
    expect(decode({ ...rowOf(kind), value: JSON.stringify(fields) })).toEqual(decode(rowOf(kind)));
    // An older reader takes the fields that it knows out of the JSON, and has no field of this name.
    expect(Object.keys(JSON.parse(value) as object).at(-1)).toBe('crc');
  });

  it('the description of damage is kept, or replaced by one that says so', () => {
    const value = encodeDamage(damage);
    const { sk } = damageKey(fileId, 16);
    for (let bit = 0; bit < value.length * 8; bit++) {
      expect(decodeDamage(sk, flipped(value, bit))).toMatchObject({ fileId, position: 16, what: 'a batch' });
    }
    for (let length = 0; length < value.length; length++) {
      const { what } = decodeDamage(sk, value.slice(0, length));
      expect(what).toBe('damage whose description cannot be read');
    }
  });
});

function attempt(read: () => unknown): unknown {
  try {
    return read();
  } catch (error) {
    return error;
  }
}
