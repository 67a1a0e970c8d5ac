/**
 * Creates, changes and deletes topics, each in one transaction. It contains the shard's check, the caller's guard (a
 * tenant's counters), the topic's rows, the sessions of the brokers that get partitions, and the wish for the fleet. So
 * a broker that died meanwhile, or is to be left empty, gets no partitions. Placement is decided inside the shard's
 * turn, from the fleet as it is then.
 *
 * A controller does this from memory for its own shards. A process that shares the installation (a gateway without a
 * controller in it) does it as a visitor. Both go through shards.ts.
 */
import type { AskedReplicas, ConfigChanges, TopicEntry, TopicGuard, TopicSpec } from '../../engine.ts';
import { sleep } from '../../kernel/clock.ts';
import { Failure, InvalidRequest } from '../../kernel/failure.ts';
import { type Uuid, uuidOf } from '../../kernel/uuid.ts';
import { type Candidate, candidatesOf, carry, take } from '../../placement/constraints.ts';
import { idleLoad, type Load } from '../../placement/load.ts';
import { place } from '../../placement/place.ts';
import { shardOf } from '../../placement/shard.ts';
import { StoreConflict, type StoreOp } from '../../ports.ts';
import type { ControllerContext } from '../context.ts';
import { partitionCounts } from '../moves/plan-input.ts';
import { deletedTopicKey, encodeDeletedTopic } from '../rows/deleted-topic.ts';
import { fleetKey } from '../rows/fleet.ts';
import {
  encodePlacement,
  type PartitionPlacement,
  partitionsPerTopicMax,
  placementKey,
  type PlacementRow,
} from '../rows/placement.ts';
import { shardCount } from '../rows/shard.ts';
import { encodeTopic, topicKey, type TopicRow } from '../rows/topic.ts';
import type { Shard, Stored } from '../shards/shards.ts';

export class TopicExists extends Failure {
  readonly code = 'already-exists';
  readonly topic: string;
  constructor(topic: string) {
    super(`topic ${topic} already exists`);
    this.topic = topic;
  }
}

export class TopicNotFound extends Failure {
  readonly code = 'not-found';
  readonly topic: string;
  constructor(topic: string) {
    super(`there is no topic ${topic}`);
    this.topic = topic;
  }
}

/** What was read is out of date, and nothing was written. The change is tried again over the current rows. */
class Overtaken extends Failure {
  readonly code = 'not-owner';
  override readonly retryable = true;
  /** The outdated part was the wish for the fleet. */
  readonly isOfWish: boolean;
  constructor(shard: number, isOfWish: boolean) {
    super(`shard ${shard} changed meanwhile`);
    this.isOfWish = isOfWish;
  }
}

/** For topics that count against nobody's quota. */
const unguarded: TopicGuard = () => Promise.resolve([]);
const overtakenPauseMs = 10;
/**
 * Leaves room within the 100 operations of a transaction. Partitions that land on a broker that died unseen wait for
 * its restart.
 */
const ownersCheckedMax = 80;

/** What this module needs from a controller, or from a gateway that stands in for one. */
export interface TopicsContext extends Pick<ControllerContext, 'persistence' | 'clock' | 'shards' | 'wish'> {
  readonly settings: Pick<ControllerContext['settings'], 'partitionsPerBrokerMax' | 'requestWaitMsMax'>;
  readonly brokers: Pick<ControllerContext['brokers'], 'plan' | 'unchanged'>;
  readonly loads: Pick<ControllerContext['loads'], 'byBroker'>;
  /** Refreshes what `brokers` returns. Absent where that is kept up to date. */
  refresh?(): Promise<void>;
}

export interface Topics {
  create(spec: TopicSpec, guard?: TopicGuard): Promise<TopicEntry>;
  /**
   * Resolves with the topic's id when the topic is gone from the store. Its space is freed later. `topicId`: see Engine.
   */
  delete(name: string, guard?: TopicGuard, topicId?: Uuid): Promise<Uuid>;
  createPartitions(name: string, total: number, guard?: TopicGuard, replicas?: AskedReplicas): Promise<TopicEntry>;
  alterReplicas(name: string, alter: (topic: TopicEntry) => AskedReplicas): Promise<TopicEntry>;
  alterConfigs(name: string, alter: (present: TopicEntry['configs']) => ConfigChanges): Promise<TopicEntry>;
}

/**
 * Every method throws InvalidRequest, TopicExists, TopicNotFound, ShardLost, StoreConflict for the guard's own
 * conditions, what the guard throws, or the store's failures.
 */
export function topics(context: TopicsContext): Topics {
  return {
    async create(spec, guard = unguarded) {
      checkPartitions(spec.partitions);
      const index = shardOf(spec.clusterId, shardCount);
      const act = (shard: Shard): Promise<TopicEntry> => createIn(context, shard, spec, guard);
      return untilCurrent(context, () => context.shards.run(index, act, spec.name));
    },
    delete: (name, guard = unguarded, topicId) =>
      inShardOf(context, name, (shard, topic) => {
        if (topicId !== undefined && topic.row.topicId !== topicId) throw new TopicNotFound(name);
        return deleteIn(context, shard, topic, guard);
      }),
    async createPartitions(name, total, guard = unguarded, replicas) {
      checkPartitions(total);
      return inShardOf(context, name, (shard, topic) => growIn(context, shard, topic, { total, replicas }, guard));
    },
    alterReplicas: (name, alter) =>
      inShardOf(context, name, (shard, topic) => {
        const replicas = alter(topicEntry(topic.row, placementOf(shard, topic.row.topicId).row));
        return rewriteIn(context, shard, topic, { ...topic.row, replicas });
      }),
    alterConfigs: (name, alter) =>
      inShardOf(context, name, (shard, topic) => {
        const configs = configured(topic.row.configs, alter(topic.row.configs));
        return rewriteIn(context, shard, topic, { ...topic.row, configs });
      }),
  };
}

function topicEntry(topic: TopicRow, placement: PlacementRow): TopicEntry {
  const partitions = placement.partitions.map((partition, index) => ({ index, ...partition }));
  return { ...topic, partitions };
}

function checkPartitions(count: number): void {
  if (Number.isInteger(count) && count >= 1 && count <= partitionsPerTopicMax) return;
  throw new InvalidRequest('partitions', `a topic can have 1 to ${partitionsPerTopicMax} partitions, not ${count}`);
}

async function inShardOf<T>(
  context: TopicsContext,
  name: string,
  act: (shard: Shard, topic: Stored<TopicRow>) => Promise<T>,
): Promise<T> {
  return untilCurrent(context, async () => {
    const index = context.shards.ofName(name);
    if (index === undefined) throw new TopicNotFound(name);
    const found = async (shard: Shard): Promise<T> => {
      const topic = shard.topics.get(name);
      if (!topic) throw new TopicNotFound(name);
      return act(shard, topic);
    };
    return context.shards.run(index, found, name);
  });
}

async function untilCurrent<T>(context: TopicsContext, act: () => Promise<T>): Promise<T> {
  const { clock, settings } = context;
  const deadlineMs = clock.monotonicMs() + settings.requestWaitMsMax;
  for (;;) {
    try {
      await context.refresh?.();
      return await act();
    } catch (failure) {
      if (!(failure instanceof Overtaken) || clock.monotonicMs() >= deadlineMs) throw failure;
      if (failure.isOfWish) await context.wish.refresh();
    }
    await sleep(clock, overtakenPauseMs);
  }
}

async function createIn(context: TopicsContext, shard: Shard, spec: TopicSpec, guard: TopicGuard): Promise<TopicEntry> {
  if (shard.topics.has(spec.name)) throw new TopicExists(spec.name);
  const { name, partitions } = spec;
  const topicId = uuidOf(context.persistence.random);
  const topic: TopicRow = { ...spec, topicId, createdAtMs: context.clock.wallMs() };
  const placement: PlacementRow = { topicId, partitions: placeNew(context, topicId, 0, partitions) };
  const ops: StoreOp[] = [
    { op: 'put', key: topicKey(shard.index, name), value: encodeTopic(topic), if: { absent: true } },
    { op: 'put', key: placementKey(shard.index, topicId), value: encodePlacement(placement), if: { absent: true } },
    ...ownersOf(context, placement.partitions),
  ];
  await commitGuarded(context, shard, await guard({ topics: 1, partitions }), ops);
  return topicEntry(topic, placement);
}

async function deleteIn(
  context: TopicsContext,
  shard: Shard,
  topic: Stored<TopicRow>,
  guard: TopicGuard,
): Promise<Uuid> {
  const { name, topicId } = topic.row;
  const placement = placementOf(shard, topicId);
  const partitions = placement.row.partitions.map(({ brokerId, leaderEpoch }, index) => ({
    index,
    brokerId,
    leaderEpoch,
  }));
  const ops: StoreOp[] = [
    { op: 'delete', key: topicKey(shard.index, name), if: { version: topic.version } },
    { op: 'delete', key: placementKey(shard.index, topicId), if: { version: placement.version } },
    { op: 'put', key: deletedTopicKey(shard.index, topicId), value: encodeDeletedTopic({ topicId, partitions }) },
  ];
  await commitGuarded(context, shard, await guard({ topics: -1, partitions: -topic.row.partitions }), ops);
  return topicId;
}

async function growIn(
  context: TopicsContext,
  shard: Shard,
  topic: Stored<TopicRow>,
  { total, replicas = topic.row.replicas }: { readonly total: number; readonly replicas: AskedReplicas | undefined },
  guard: TopicGuard,
): Promise<TopicEntry> {
  const { name, topicId, partitions: present } = topic.row;
  if (total <= present) throw new InvalidRequest('partitions', `the topic already has ${present} partitions`);
  const placement = placementOf(shard, topicId);
  const added = placeNew(context, topicId, present, total - present);
  const row: TopicRow = { ...topic.row, partitions: total, ...(replicas ? { replicas } : {}) };
  const placed: PlacementRow = { topicId, partitions: [...placement.row.partitions, ...added] };
  const ops: StoreOp[] = [
    { op: 'put', key: topicKey(shard.index, name), value: encodeTopic(row), if: { version: topic.version } },
    {
      op: 'put',
      key: placementKey(shard.index, topicId),
      value: encodePlacement(placed),
      if: { version: placement.version },
    },
    ...ownersOf(context, added),
  ];
  await commitGuarded(context, shard, await guard({ topics: 0, partitions: total - present }), ops);
  return topicEntry(row, placed);
}

function configured(present: TopicRow['configs'], changes: ConfigChanges): Record<string, string> {
  const configs = { ...present };
  for (const [config, value] of Object.entries(changes)) {
    if (value === null) delete configs[config];
    else configs[config] = value;
  }
  return configs;
}

/** Rewrites a topic's row. Its name, placement and size stay the same. */
async function rewriteIn(
  context: TopicsContext,
  shard: Shard,
  { version }: Stored<TopicRow>,
  row: TopicRow,
): Promise<TopicEntry> {
  const key = topicKey(shard.index, row.name);
  const ops: StoreOp[] = [{ op: 'put', key, value: encodeTopic(row), if: { version } }];
  await commitGuarded(context, shard, [], ops);
  return topicEntry(row, placementOf(shard, row.topicId).row);
}

/**
 * A conflict in the guard is the caller's. A conflict on our own rows or on a broker's session means that we are
 * behind.
 */
async function commitGuarded(
  context: TopicsContext,
  shard: Shard,
  guard: readonly StoreOp[],
  ops: readonly StoreOp[],
): Promise<void> {
  try {
    await context.shards.commit(shard, [...guard, ...ops], context.settings.requestWaitMsMax);
  } catch (failure) {
    if (failure instanceof StoreConflict && failure.index >= guard.length) {
      throw new Overtaken(shard.index, failure.current?.pk === fleetKey.pk);
    }
    throw failure;
  }
}

function ownersOf(context: TopicsContext, places: readonly PartitionPlacement[]): StoreOp[] {
  const sessions = context.brokers.unchanged(new Set(places.map(({ brokerId }) => brokerId)));
  return [...context.wish.unchanged(), ...sessions.slice(0, ownersCheckedMax)];
}

function placementOf(shard: Shard, topicId: Uuid): Stored<PlacementRow> {
  const placement = shard.placements.get(topicId);
  if (!placement) throw new TopicNotFound(`with id ${Buffer.from(topicId, 'latin1').toString('base64url')}`);
  return placement;
}

function placeNew(context: TopicsContext, topicId: Uuid, firstIndex: number, count: number): PartitionPlacement[] {
  const movedAtMs = context.clock.wallMs();
  const { candidates, load } = liveCandidates(context);
  const owners = place({ topicId, firstIndex, count, load }, candidates);
  return owners.map((brokerId) => ({ brokerId, leaderEpoch: 0, reason: 'created', movedAtMs }));
}

/**
 * How many partitions each broker holds, and the average load of a partition: the best guess for a new one. Two
 * concurrent creations count the same room, so together they may exceed partitionsPerBrokerMax. They cannot exceed a
 * tenant's limits, which are part of the transaction (the guard).
 */
function liveCandidates(context: TopicsContext): { candidates: Map<number, Candidate>; load: Load } {
  const candidates = candidatesOf(context.brokers.plan(context.settings.partitionsPerBrokerMax), []);
  let partitions = 0;
  // Counts in place: a creation must not build a plan's worth of objects.
  for (const [brokerId, count] of partitionCounts(context)) {
    partitions += count;
    const candidate = candidates.get(brokerId);
    if (candidate) for (let i = 0; i < count; i++) take(candidate, idleLoad);
  }
  const sums: [number, number, number] = [0, 0, 0];
  for (const [brokerId, load] of context.loads.byBroker()) {
    const candidate = candidates.get(brokerId);
    for (let d = 0; d < 3; d++) sums[d]! += load[d]!;
    if (candidate) carry(candidate, load);
  }
  const mean = sums.map((sum) => Math.round(sum / Math.max(1, partitions)));
  return { candidates, load: [mean[0]!, mean[1]!, mean[2]!] };
}
