/**
 * Creating, changing and deleting topics: one transaction each, of the shard's check, the caller's guard (a tenant's
 * counters) and the topic's rows. Placement is decided inside the shard's turn, from the fleet as it is then.
 */
import type { TopicEntry, TopicSpec } from '../engine.ts';
import { Failure, InvalidRequest } from '../kernel/failure.ts';
import { type Uuid, uuidOf } from '../kernel/uuid.ts';
import { type Candidate, candidatesOf, carry, take } from '../placement/constraints.ts';
import { idleLoad, type Load } from '../placement/load.ts';
import { place } from '../placement/place.ts';
import { shardOf } from '../placement/shard.ts';
import { StoreConflict, type StoreOp } from '../ports.ts';
import type { ControllerContext } from './context.ts';
import { partitionCounts } from './plan-input.ts';
import { deletedTopicKey, encodeDeletedTopic } from './rows/deleted-topic.ts';
import {
  encodePlacement,
  type PartitionPlacement,
  partitionsPerTopicMax,
  placementKey,
  type PlacementRow,
} from './rows/placement.ts';
import { shardCount } from './rows/shard.ts';
import { encodeTopic, topicKey, type TopicRow } from './rows/topic.ts';
import type { Shard, Stored } from './shards.ts';

export class TopicExists extends Failure {
  readonly code = 'already-exists';
  readonly topic: string;
  constructor(topic: string) {
    super(`topic ${topic} exists`);
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

export interface Topics {
  create(spec: TopicSpec, guard: readonly StoreOp[]): Promise<TopicEntry>;
  /** Resolves when the topic is gone from the store, with its id; its space is freed after that. */
  delete(name: string, guard: readonly StoreOp[]): Promise<Uuid>;
  createPartitions(name: string, total: number, guard: readonly StoreOp[]): Promise<TopicEntry>;
  alterConfigs(name: string, changes: Readonly<Record<string, string | null>>): Promise<TopicEntry>;
}

/** Every method throws InvalidRequest, TopicExists, TopicNotFound, StoreConflict of the guard, ShardLost, or the store's. */
export function topics(context: ControllerContext): Topics {
  return {
    async create(spec, guard) {
      checkPartitions(spec.partitions);
      const index = shardOf(spec.clusterId, shardCount);
      return context.shards.run(index, (shard) => createIn(context, shard, spec, guard));
    },
    delete: (name, guard) => inShardOf(context, name, (shard, topic) => deleteIn(context, shard, topic, guard)),
    async createPartitions(name, total, guard) {
      checkPartitions(total);
      return inShardOf(context, name, (shard, topic) => growIn(context, shard, topic, total, guard));
    },
    alterConfigs: (name, changes) =>
      inShardOf(context, name, (shard, topic) => configureIn(context, shard, topic, changes)),
  };
}

function topicEntry(topic: TopicRow, placement: PlacementRow): TopicEntry {
  const { name, topicId, clusterId, configs, createdAtMs } = topic;
  const partitions = placement.partitions.map((partition, index) => ({ index, ...partition }));
  return { name, topicId, clusterId, partitions, configs, createdAtMs };
}

function checkPartitions(count: number): void {
  if (Number.isInteger(count) && count >= 1 && count <= partitionsPerTopicMax) return;
  throw new InvalidRequest('partitions', `a topic has 1 to ${partitionsPerTopicMax} partitions, not ${count}`);
}

async function inShardOf<T>(
  context: ControllerContext,
  name: string,
  act: (shard: Shard, topic: Stored<TopicRow>) => Promise<T>,
): Promise<T> {
  const index = context.shards.ofName(name);
  if (index === undefined) throw new TopicNotFound(name);
  return context.shards.run(index, async (shard) => {
    const topic = shard.topics.get(name);
    if (!topic) throw new TopicNotFound(name);
    return act(shard, topic);
  });
}

async function createIn(
  context: ControllerContext,
  shard: Shard,
  spec: TopicSpec,
  guard: readonly StoreOp[],
): Promise<TopicEntry> {
  if (shard.topics.has(spec.name)) throw new TopicExists(spec.name);
  const { name, clusterId, partitions, configs } = spec;
  const topicId = uuidOf(context.persistence.random);
  const topic: TopicRow = { name, topicId, clusterId, partitions, configs, createdAtMs: context.clock.wallMs() };
  const placement: PlacementRow = { topicId, partitions: placeNew(context, topicId, 0, partitions) };
  const ops: StoreOp[] = [
    { op: 'put', key: topicKey(shard.index, name), value: encodeTopic(topic), if: { absent: true } },
    { op: 'put', key: placementKey(shard.index, topicId), value: encodePlacement(placement), if: { absent: true } },
  ];
  await commitGuarded(context, shard, guard, ops, () => new TopicExists(name));
  return topicEntry(topic, placement);
}

async function deleteIn(
  context: ControllerContext,
  shard: Shard,
  topic: Stored<TopicRow>,
  guard: readonly StoreOp[],
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
  await commitGuarded(context, shard, guard, ops, () => new TopicNotFound(name));
  return topicId;
}

async function growIn(
  context: ControllerContext,
  shard: Shard,
  topic: Stored<TopicRow>,
  total: number,
  guard: readonly StoreOp[],
): Promise<TopicEntry> {
  const { name, topicId, partitions: present } = topic.row;
  if (total <= present) throw new InvalidRequest('partitions', `topic ${name} has ${present} partitions already`);
  const placement = placementOf(shard, topicId);
  const added = placeNew(context, topicId, present, total - present);
  const row: TopicRow = { ...topic.row, partitions: total };
  const placed: PlacementRow = { topicId, partitions: [...placement.row.partitions, ...added] };
  const ops: StoreOp[] = [
    { op: 'put', key: topicKey(shard.index, name), value: encodeTopic(row), if: { version: topic.version } },
    {
      op: 'put',
      key: placementKey(shard.index, topicId),
      value: encodePlacement(placed),
      if: { version: placement.version },
    },
  ];
  await commitGuarded(context, shard, guard, ops, () => new TopicNotFound(name));
  return topicEntry(row, placed);
}

async function configureIn(
  context: ControllerContext,
  shard: Shard,
  topic: Stored<TopicRow>,
  changes: Readonly<Record<string, string | null>>,
): Promise<TopicEntry> {
  const configs = { ...topic.row.configs };
  for (const [config, value] of Object.entries(changes)) {
    if (value === null) delete configs[config];
    else configs[config] = value;
  }
  const row: TopicRow = { ...topic.row, configs };
  const key = topicKey(shard.index, row.name);
  const ops: StoreOp[] = [{ op: 'put', key, value: encodeTopic(row), if: { version: topic.version } }];
  await commitGuarded(context, shard, [], ops, () => new TopicNotFound(row.name));
  return topicEntry(row, placementOf(shard, row.topicId).row);
}

/**
 * A conflict of the guard is the caller's. One of our own rows can only mean that memory was behind the store, which the
 * shard's check makes impossible as long as all writers hold to it; it is reported as what the row's state says.
 */
async function commitGuarded(
  context: ControllerContext,
  shard: Shard,
  guard: readonly StoreOp[],
  ops: readonly StoreOp[],
  onOwnConflict: () => Failure,
): Promise<void> {
  try {
    await context.shards.commit(shard, [...guard, ...ops], context.settings.requestWaitMsMax);
  } catch (failure) {
    if (failure instanceof StoreConflict && failure.index >= guard.length) throw onOwnConflict();
    throw failure;
  }
}

function placementOf(shard: Shard, topicId: Uuid): Stored<PlacementRow> {
  const placement = shard.placements.get(topicId);
  if (!placement) throw new TopicNotFound(`with id ${Buffer.from(topicId, 'latin1').toString('base64url')}`);
  return placement;
}

function placeNew(context: ControllerContext, topicId: Uuid, firstIndex: number, count: number): PartitionPlacement[] {
  const movedAtMs = context.clock.wallMs();
  const { candidates, load } = liveCandidates(context);
  const owners = place({ topicId, firstIndex, count, load }, candidates);
  return owners.map((brokerId) => ({ brokerId, leaderEpoch: 0, reason: 'created', movedAtMs }));
}

/** What the brokers hold, and what a partition of the fleet asks for on average: the best guess for one to come. */
function liveCandidates(context: ControllerContext): { candidates: Map<number, Candidate>; load: Load } {
  const candidates = candidatesOf(context.brokers.plan(context.settings.partitionsPerBrokerMax), []);
  let partitions = 0;
  // Counted in place: a creation must not build a plan's worth of objects.
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
