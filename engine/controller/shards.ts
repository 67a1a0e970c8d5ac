/**
 * The shards that this controller owns, with their rows in memory. One writer at a time per shard, and every write checks
 * the shard row's version: another controller that takes the shard changes the version, so that our next write is refused
 * and we know that the shard is lost. What is in memory is what the store said last; after a write whose fate is unknown
 * the shard is read again before anything else happens in it.
 */
import { assert } from '../kernel/assert.ts';
import { Failure } from '../kernel/failure.ts';
import { parseUuid, type Uuid } from '../kernel/uuid.ts';
import { type Row, type RowKey, StoreConflict, type StoreOp } from '../ports.ts';
import { getSurely, type Persistence, rangeSurely, transactSurely } from '../store-surely.ts';
import type { EventRing } from './events.ts';
import { observe, type ObservedLease } from './lease.ts';
import { decodeDeletedTopic, deletedTopicSkPrefix, type DeletedTopicRow } from './rows/deleted-topic.ts';
import { controllerLeaseKey } from './rows/lease.ts';
import { decodePlacement, placementSkPrefix, type PlacementRow } from './rows/placement.ts';
import { decodeShard, encodeShard, shardCount, shardKey, shardPk, shardsPk } from './rows/shard.ts';
import { decodeTopic, topicSkPrefix, type TopicRow } from './rows/topic.ts';

/** Another controller owns the shard; it, or we after its lease, will serve the request. */
export class ShardLost extends Failure {
  readonly code = 'not-owner';
  override readonly retryable = true;
  readonly shard: number;
  constructor(shard: number) {
    super(`shard ${shard} is not owned by this controller`);
    this.shard = shard;
  }
}

export interface Stored<T> {
  readonly row: T;
  readonly version: number;
}

export interface Shard {
  readonly index: number;
  readonly topics: ReadonlyMap<string, Stored<TopicRow>>;
  readonly placements: ReadonlyMap<Uuid, Stored<PlacementRow>>;
  readonly deleted: ReadonlyMap<Uuid, Stored<DeletedTopicRow>>;
}

class OwnedShard implements Shard {
  readonly index: number;
  readonly topics = new Map<string, Stored<TopicRow>>();
  readonly placements = new Map<Uuid, Stored<PlacementRow>>();
  readonly deleted = new Map<Uuid, Stored<DeletedTopicRow>>();
  held = false;
  stale = true;
  /** Of the shard row, while held. */
  version = 0;
  queue: Promise<unknown> = Promise.resolve();

  constructor(index: number) {
    this.index = index;
  }

  absorb(row: Row): void {
    const { sk, version } = row;
    if (sk.startsWith(topicSkPrefix)) {
      const topic = decodeTopic(row);
      this.topics.set(topic.name, { row: topic, version });
    } else if (sk.startsWith(placementSkPrefix)) {
      const placement = decodePlacement(row);
      this.placements.set(placement.topicId, { row: placement, version });
    } else if (sk.startsWith(deletedTopicSkPrefix)) {
      const deleted = decodeDeletedTopic(row);
      this.deleted.set(deleted.topicId, { row: deleted, version });
    }
  }

  clear(): void {
    this.topics.clear();
    this.placements.clear();
    this.deleted.clear();
  }
}

export class ShardTable {
  readonly #persistence: Persistence;
  readonly #controllerId: string;
  readonly #events: EventRing;
  readonly #shards = Array.from({ length: shardCount }, (_, index) => new OwnedShard(index));
  /** Leases of the controllers that took shards from us. */
  readonly #rivals = new Map<string, ObservedLease>();

  constructor(persistence: Persistence, controllerId: string, events: EventRing) {
    this.#persistence = persistence;
    this.#controllerId = controllerId;
    this.#events = events;
  }

  /** Shards in memory. Read only: a look may be older than a write on its way. */
  *held(): Iterable<Shard> {
    for (const shard of this.#shards) if (shard.held) yield shard;
  }

  heldCount(): number {
    return this.#shards.filter((shard) => shard.held).length;
  }

  /** The shard that has a topic of this name, or that has placed or deleted this topic. */
  ofName(name: string): number | undefined {
    return this.#shards.find((shard) => shard.held && shard.topics.has(name))?.index;
  }

  ofTopicId(topicId: Uuid): number | undefined {
    return this.#shards.find((shard) => shard.held && shard.placements.has(topicId))?.index;
  }

  /** As placed at the moment; -1 for a partition that is not in any held shard. */
  leaderEpochOf(topicId: Uuid, partition: number): number {
    const shard = this.#shards.find((each) => each.held && each.placements.has(topicId));
    return shard?.placements.get(topicId)?.row.partitions[partition]?.leaderEpoch ?? -1;
  }

  /** Takes all shards, whoever owns them, and reads them. Repeats until no other controller comes between. */
  async takeAll(): Promise<void> {
    for (;;) {
      const rows = new Map((await rangeSurely(this.#persistence, shardsPk)).map((row) => [row.sk, row]));
      const ops = this.#shards.map((shard) => this.#takeOp(shard.index, rows.get(shardKey(shard.index).sk)));
      if (!(await this.#attempt(ops))) continue;
      for (const shard of this.#shards) {
        const previous = rows.get(shardKey(shard.index).sk);
        this.#taken(shard, (previous?.version ?? 0) + 1);
      }
      this.#events.emit('shard-taken', 'controller started', { shards: shardCount, controllerId: this.#controllerId });
      break;
    }
    await Promise.all(this.#shards.map((shard) => this.run(shard.index, async () => undefined)));
  }

  /** Takes lost shards back whose owner's lease has lapsed or is gone. Call it once per interval. */
  async retakeDead(): Promise<void> {
    for (const shard of this.#shards) {
      if (shard.held) continue;
      const row = await getSurely(this.#persistence, shardKey(shard.index));
      const owner = row && decodeShard(row).controllerId;
      if (owner !== undefined && owner !== this.#controllerId && !(await this.#isDead(owner))) continue;
      if (!(await this.#attempt([this.#takeOp(shard.index, row)]))) continue;
      this.#taken(shard, (row?.version ?? 0) + 1);
      this.#events.emit('shard-taken', 'owner gone', { shard: shard.index, controllerId: this.#controllerId });
    }
  }

  /**
   * Runs `act` alone in the shard, over rows that are up to date. Throws ShardLost when the shard is not ours, and what
   * `act` throws.
   */
  run<T>(index: number, act: (shard: Shard) => Promise<T>): Promise<T> {
    const shard = this.#shards[index]!;
    const result = shard.queue.then(async () => {
      if (!shard.held) throw new ShardLost(index);
      if (shard.stale) await this.#reload(shard);
      return act(shard);
    });
    shard.queue = result.catch(() => undefined);
    return result;
  }

  /** Resolves when everything that runs in any shard at the moment has ended. */
  async barrier(): Promise<void> {
    await Promise.all(this.#shards.map((shard) => shard.queue));
  }

  /**
   * One transaction of the shard, called inside run(). Rows of the shard in memory follow. Throws ShardLost, StoreConflict
   * with the index in `ops`, or the store's failure after `waitMsMax`.
   */
  async commit(shard: Shard, ops: readonly StoreOp[], waitMsMax?: number): Promise<void> {
    const owned = this.#shards[shard.index]!;
    const check: StoreOp = { op: 'check', key: shardKey(shard.index), if: { version: owned.version } };
    try {
      await transactSurely(this.#persistence, [check, ...ops], waitMsMax);
    } catch (failure) {
      owned.stale = true;
      if (!(failure instanceof StoreConflict)) throw failure;
      if (failure.index > 0) throw new StoreConflict(failure.index - 1, failure.current);
      this.#lose(owned);
      throw new ShardLost(shard.index);
    }
    for (const op of ops) if (op.key.pk === shardPk(shard.index)) applyOp(owned, op);
  }

  #takeOp(index: number, row: Row | undefined): StoreOp {
    const epoch = row ? decodeShard(row).epoch + 1 : 1;
    const value = encodeShard({ controllerId: this.#controllerId, epoch });
    return { op: 'put', key: shardKey(index), value, if: row ? { version: row.version } : { absent: true } };
  }

  async #attempt(ops: readonly StoreOp[]): Promise<boolean> {
    try {
      await transactSurely(this.#persistence, ops);
      return true;
    } catch (failure) {
      if (failure instanceof StoreConflict) return false;
      throw failure;
    }
  }

  #taken(shard: OwnedShard, version: number): void {
    shard.held = true;
    shard.stale = true;
    shard.version = version;
  }

  #lose(shard: OwnedShard): void {
    shard.held = false;
    shard.clear();
    this.#events.emit('shard-lost', 'another controller took it', { shard: shard.index });
  }

  async #reload(shard: OwnedShard): Promise<void> {
    const rows = await rangeSurely(this.#persistence, shardPk(shard.index));
    shard.clear();
    for (const row of rows) shard.absorb(row);
    shard.stale = false;
  }

  async #isDead(controllerId: string): Promise<boolean> {
    const row = await getSurely(this.#persistence, controllerLeaseKey(controllerId));
    const nowMs = this.#persistence.clock.monotonicMs();
    const seen = observe(this.#rivals.get(controllerId), row, nowMs);
    if (!seen) return true;
    this.#rivals.set(controllerId, seen);
    return seen.dead;
  }
}

function applyOp(shard: OwnedShard, op: StoreOp): void {
  if (op.op === 'check') return;
  if (op.op === 'put') {
    const version = (storedAt(shard, op.key)?.version ?? 0) + 1;
    shard.absorb({ ...op.key, value: op.value, version });
    return;
  }
  const { sk } = op.key;
  if (sk.startsWith(topicSkPrefix)) shard.topics.delete(sk.slice(topicSkPrefix.length));
  else if (sk.startsWith(placementSkPrefix)) shard.placements.delete(topicIdAfter(placementSkPrefix, sk));
  else if (sk.startsWith(deletedTopicSkPrefix)) shard.deleted.delete(topicIdAfter(deletedTopicSkPrefix, sk));
}

function storedAt(shard: OwnedShard, { sk }: RowKey): Stored<unknown> | undefined {
  if (sk.startsWith(topicSkPrefix)) return shard.topics.get(sk.slice(topicSkPrefix.length));
  if (sk.startsWith(placementSkPrefix)) return shard.placements.get(topicIdAfter(placementSkPrefix, sk));
  return shard.deleted.get(topicIdAfter(deletedTopicSkPrefix, sk));
}

function topicIdAfter(prefix: string, sk: string): Uuid {
  const topicId = parseUuid(sk.slice(prefix.length));
  assert(topicId !== undefined, 'the controller writes keys of the shard with topic ids only');
  return topicId;
}
