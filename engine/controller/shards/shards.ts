/**
 * The shards that this controller owns, with their rows in memory. Each shard has one writer at a time, and every write
 * checks the shard row's version. Another controller that takes the shard changes the version, so our next write is
 * refused and we know that the shard is lost. Memory holds what the store said last. After a write with an unknown
 * outcome, the shard is read again before anything else happens in it.
 *
 * Visits: where processes share an installation, a gateway creates topics and the balancer moves partitions in shards
 * of others. A visitor reads the rows for this one act, for the shard or for one topic in it. Its write checks the
 * owner's row and every row that it changes, so owner and visitor cannot overwrite each other: the later one is refused
 * and reads again. The owner learns of a visitor's writes from the change feed, or from such a refusal.
 */
import type { TopicEntry } from '../../engine.ts';
import { assert } from '../../kernel/assert.ts';
import { Failure } from '../../kernel/failure.ts';
import { parseUuid, type Uuid } from '../../kernel/uuid.ts';
import { shardOf } from '../../placement/shard.ts';
import { unlessDamaged } from '../../store-row-json.ts';
import { type Row, type RowChange, type RowCondition, type RowKey, StoreConflict, type StoreOp } from '../../ports.ts';
import { getSurely, type Persistence, rangeSurely, transactSurely } from '../../store-surely.ts';
import { assignShards } from './assign-shards.ts';
import type { EventRing } from '../events.ts';
import type { Membership } from './members.ts';
import { decodeDeletedTopic, deletedTopicSkPrefix, type DeletedTopicRow } from '../rows/deleted-topic.ts';
import { decodePlacement, placementKey, placementSkPrefix, type PlacementRow } from '../rows/placement.ts';
import { encodeShard, nextShardEpoch, shardCount, shardKey, shardPk, shardsPk } from '../rows/shard.ts';
import { decodeTopic, topicKey, topicSkPrefix, type TopicRow } from '../rows/topic.ts';

/** Another controller owns the shard. It will serve the request, or we will after its lease ends. */
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

interface ShardRows {
  readonly topics: Map<string, Stored<TopicRow>>;
  readonly placements: Map<Uuid, Stored<PlacementRow>>;
  readonly deleted: Map<Uuid, Stored<DeletedTopicRow>>;
}

class OwnedShard implements Shard, ShardRows {
  readonly index: number;
  readonly topics = new Map<string, Stored<TopicRow>>();
  readonly placements = new Map<Uuid, Stored<PlacementRow>>();
  readonly deleted = new Map<Uuid, Stored<DeletedTopicRow>>();
  held = false;
  /** Whether its rows are in memory. A shard that was handed over or taken is held before it has been read. */
  isRead = false;
  stale = true;
  /** Version of the shard row while held or visited; 0 when there is none. */
  version = 0;
  stopFollowing: () => void = () => undefined;
  queue: Promise<unknown> = Promise.resolve();

  constructor(index: number) {
    this.index = index;
  }

  /** Throws RowCorrupt. */
  absorb(row: Row): true {
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
    return true;
  }

  /**
   * A damaged row costs its own topic, never the shard: as long as it has not changed, what is in memory is what it said.
   * Otherwise the topic is as if it had no such row, and what would overwrite it is refused by the store.
   */
  absorbAll(rows: readonly Row[]): void {
    const before = {
      topics: new Map(this.topics),
      placements: new Map(this.placements),
      deleted: new Map(this.deleted),
    };
    this.clear();
    for (const row of rows) {
      const isRead = unlessDamaged(row, (each) => this.absorb(each)) ?? false;
      if (!isRead) keepIn(this, before, row);
    }
  }

  clear(): void {
    this.topics.clear();
    this.placements.clear();
    this.deleted.clear();
  }
}

/**
 * The contents of other controllers' shards, as the change feed reports them: good enough for planning, never for
 * writing.
 */
export interface OtherShards {
  byName(name: string): TopicEntry | undefined;
  byId(topicId: Uuid): TopicEntry | undefined;
  all(): Iterable<TopicEntry>;
}

export interface ShardTableOptions {
  /** Given when other processes write into shards too. Shards that are not held may then be visited. */
  readonly others?: OtherShards | undefined;
}

/** Shards read concurrently for a count. */
const countsTogetherMax = 8;
/** Attempts of one visit. Each repeat means the shard changed hands since the previous attempt. */
const visitsMax = 5;

export class ShardTable {
  readonly #persistence: Persistence;
  readonly #controllerId: string;
  readonly #events: EventRing;
  readonly #others: OtherShards | undefined;
  readonly #shards = Array.from({ length: shardCount }, (_, index) => new OwnedShard(index));

  constructor(persistence: Persistence, controllerId: string, events: EventRing, { others }: ShardTableOptions = {}) {
    this.#persistence = persistence;
    this.#controllerId = controllerId;
    this.#events = events;
    this.#others = others;
  }

  /** Shards in memory. Read only: what a caller sees may be older than a write on its way. */
  *held(): Iterable<Shard> {
    for (const shard of this.#shards) if (shard.isRead) yield shard;
  }

  heldCount(): number {
    return this.#shards.filter((shard) => shard.held).length;
  }

  /**
   * Placements of the held shards, or of all. Placements in other controllers' shards come from the change feed; so do
   * those of a shard that is changing hands. Good enough for planning and display. Code that reports a broker as empty
   * calls `countAt`.
   */
  *placements(scope: 'held' | 'all'): Iterable<PlacementRow> {
    for (const shard of this.held()) yield* placementsOf(shard);
    if (scope === 'held' || !this.#others) return;
    for (const entry of this.#others.all()) if (!this.#shards[homeOf(entry)]!.isRead) yield entry;
  }

  /**
   * How many partitions the rows place at the broker. When other processes write too, the change feed may lag, and a
   * shard may change hands midway, so this reads every shard, whoever owns it.
   */
  async countAt(brokerId: number): Promise<number> {
    await this.barrier();
    if (!this.#others) return countIn(this.placements('held'), brokerId);
    let count = 0;
    for (let from = 0; from < shardCount; from += countsTogetherMax) {
      const counted = this.#shards.slice(from, from + countsTogetherMax).map(async (shard) => {
        const rows = await rangeSurely(this.#persistence, shardPk(shard.index));
        const placed = rows.filter(({ sk }) => sk.startsWith(placementSkPrefix));
        const inShard = countIn(readable(placed), brokerId);
        // A visitor's change that the feed has not delivered: read the shard again before anybody plans with it.
        if (shard.isRead && inShard !== countIn(placementsOf(shard), brokerId)) shard.stale = true;
        return inShard;
      });
      for (const inShard of await Promise.all(counted)) count += inShard;
    }
    return count;
  }

  /** Whether another controller's shard has a partition at this broker, as far as the feed has told. */
  othersPlace(brokerId: number): boolean {
    if (!this.#others) return false;
    for (const entry of this.#others.all()) {
      if (this.#shards[homeOf(entry)]!.isRead) continue;
      if (entry.partitions.some((partition) => partition.brokerId === brokerId)) return true;
    }
    return false;
  }

  /** The condition for writes outside the shard that only its owner may make. */
  unchanged(index: number): StoreOp[] {
    return [{ op: 'check', key: shardKey(index), if: rowIs(this.#shards[index]!.version) }];
  }

  holds(index: number): boolean {
    return this.#shards[index]!.held;
  }

  /** The shard that has a topic of this name, or that has placed this topic. */
  ofName(name: string): number | undefined {
    const held = this.#shards.find((shard) => shard.held && shard.topics.has(name))?.index;
    const other = held === undefined ? this.#others?.byName(name) : undefined;
    return other ? homeOf(other) : held;
  }

  ofTopicId(topicId: Uuid): number | undefined {
    const held = this.#shards.find((shard) => shard.held && shard.placements.has(topicId))?.index;
    const other = held === undefined ? this.#others?.byId(topicId) : undefined;
    return other ? homeOf(other) : held;
  }

  /** The current leader epoch, or the last reported one for other controllers' shards; -1 for an unknown partition. */
  leaderEpochOf(topicId: Uuid, partition: number): number {
    const shard = this.#shards.find((each) => each.held && each.placements.has(topicId));
    const partitions = shard?.placements.get(topicId)?.row.partitions ?? this.#others?.byId(topicId)?.partitions;
    return partitions?.[partition]?.leaderEpoch ?? -1;
  }

  /**
   * A broker may have changed the placement of these topics (broker/take-back.ts): their shards are read again before
   * anybody plans with them. A controller that is alone follows no changes, because nobody else makes any.
   */
  outdated(topicIds: Iterable<Uuid>): void {
    for (const topicId of topicIds) {
      for (const shard of this.#shards) if (shard.placements.has(topicId)) shard.stale = true;
    }
  }

  /** Takes all shards, whoever owns them, and reads them. Repeats until no other controller interferes. */
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

  /**
   * Follows one look at the members: notes shards handed to us or taken from us, takes those that no live controller
   * owns and the assignment gives us, and hands over our excess. `members` are the controllers to share with, including
   * this one.
   */
  async follow({ rows, owners, alive }: Membership, members: readonly string[]): Promise<void> {
    const assigned = assignShards(owners, members);
    const mayTake = (index: number): boolean =>
      assigned[index] === this.#controllerId && !alive.includes(owners[index] ?? '');
    const orphans: OwnedShard[] = [];
    let given = 0;
    for (const shard of this.#shards) {
      const row = rows[shard.index];
      if (row && owners[shard.index] === this.#controllerId) given += this.#note(shard, row);
      else if (row && shard.held && row.version > shard.version) this.#lose(shard);
      else if (mayTake(shard.index)) orphans.push(shard);
    }
    const detail = { shards: given, controllerId: this.#controllerId };
    if (given > 0) this.#events.emit('shard-taken', 'handed over', detail);
    await this.#takeOrphans(orphans, rows);
    const tooMuch = this.#shards.filter(({ held, index }) => held && assigned[index] !== this.#controllerId);
    await this.#handOver(tooMuch, assigned);
  }

  /** Gives every shard to one of `heirs`, each once the work running in it has ended. */
  async leave(owners: readonly (string | undefined)[], heirs: readonly string[]): Promise<void> {
    const assigned = assignShards(owners, heirs);
    await this.#handOver(
      [...this.#shards].filter(({ held }) => held),
      assigned,
    );
  }

  /**
   * Runs `act` alone in the shard, over up-to-date rows. Throws ShardLost when the shard is not ours and may not be
   * visited, or keeps changing hands; also throws what `act` throws. A visit may run `act` more than once. `only`: the
   * name of the one topic that `act` reads and writes, so a visitor need not read the whole shard.
   */
  run<T>(index: number, act: (shard: Shard) => Promise<T>, only?: string): Promise<T> {
    const shard = this.#shards[index]!;
    const result = shard.queue.then(async () => {
      if (!shard.held && this.#others) return this.#visit(shard, act, only);
      if (!shard.held) throw new ShardLost(index);
      if (shard.stale) await this.#reload(shard);
      return act(shard);
    });
    shard.queue = result.catch(() => undefined);
    return result;
  }

  /** Resolves when everything now running in any shard has ended, and the held shards are up to date. */
  async barrier(): Promise<void> {
    await Promise.all(
      this.#shards.map(async (shard) => {
        await shard.queue;
        if (shard.held && shard.stale) await this.run(shard.index, async () => undefined).catch(unlessLost);
      }),
    );
  }

  /**
   * One transaction of the shard, called inside run(). Updates the shard's rows in memory. Throws ShardLost,
   * StoreConflict with the index in `ops`, or the store's failure after `waitMsMax`.
   */
  async commit(shard: Shard, ops: readonly StoreOp[], waitMsMax?: number): Promise<void> {
    const owned = this.#shards[shard.index]!;
    const check: StoreOp = { op: 'check', key: shardKey(shard.index), if: rowIs(owned.version) };
    try {
      await transactSurely(this.#persistence, [check, ...ops], waitMsMax);
    } catch (failure) {
      owned.stale = true;
      if (!(failure instanceof StoreConflict)) throw failure;
      if (failure.index > 0) throw new StoreConflict(failure.index - 1, failure.current);
      if (owned.held) this.#lose(owned);
      throw new ShardLost(shard.index);
    }
    for (const op of ops) if (op.key.pk === shardPk(shard.index)) applyOp(owned, op);
  }

  #takeOp(index: number, row: Row | undefined): StoreOp {
    const value = encodeShard({ controllerId: this.#controllerId, epoch: nextShardEpoch(row) });
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

  async #takeOrphans(orphans: readonly OwnedShard[], rows: readonly (Row | undefined)[]): Promise<void> {
    if (orphans.length === 0) return;
    const ops = orphans.map(({ index }) => this.#takeOp(index, rows[index]));
    // Refused as a whole when another controller took one of them first. The next look shows what is left.
    if (!(await this.#attempt(ops))) return;
    for (const shard of orphans) this.#taken(shard, (rows[shard.index]?.version ?? 0) + 1);
    const detail = { shards: orphans.length, controllerId: this.#controllerId };
    this.#events.emit('shard-taken', 'owner gone', detail);
  }

  async #handOver(shards: readonly OwnedShard[], assigned: readonly string[]): Promise<void> {
    let given = 0;
    await Promise.all(
      shards.map(({ index }) =>
        this.run(index, async (shard) => {
          const owned = this.#shards[shard.index]!;
          if (!owned.held) return;
          const row = await getSurely(this.#persistence, shardKey(index));
          const controllerId = assigned[index]!;
          if (row?.version === owned.version) {
            const value = encodeShard({ controllerId, epoch: nextShardEpoch(row) });
            const op: StoreOp = { op: 'put', key: shardKey(index), value, if: { version: owned.version } };
            if (await this.#attempt([op])) given++;
          }
          this.#release(owned);
        }).catch(unlessLost),
      ),
    );
    if (given > 0) this.#events.emit('shard-given', 'shared out', { shards: given, controllerId: this.#controllerId });
  }

  /**
   * The row names us: the shard was handed over, or we took it by a write whose answer was lost. Returns 1 when that is
   * news.
   */
  #note(shard: OwnedShard, row: Row): number {
    if (shard.held ? row.version <= shard.version : row.version < shard.version) return 0;
    this.#taken(shard, row.version);
    return 1;
  }

  #taken(shard: OwnedShard, version: number): void {
    shard.stopFollowing();
    shard.held = true;
    shard.stale = true;
    shard.version = version;
    if (!this.#others) return;
    const stop = this.#persistence.store.watch(shardPk(shard.index), (change) => noteChange(shard, change));
    shard.stopFollowing = stop;
  }

  #release(shard: OwnedShard): void {
    shard.stopFollowing();
    shard.held = false;
    shard.isRead = false;
    shard.stale = true;
    // At least the next owner's version, so an older look cannot make the shard ours again.
    shard.version++;
    shard.clear();
  }

  #lose(shard: OwnedShard): void {
    this.#release(shard);
    this.#events.emit('shard-lost', 'another controller took it', { shard: shard.index });
  }

  async #visit<T>(shard: OwnedShard, act: (shard: Shard) => Promise<T>, only?: string): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      const row = await getSurely(this.#persistence, shardKey(shard.index));
      if (!shard.held) shard.version = row?.version ?? 0;
      // The shard may have been handed to us while we waited. A held shard is read whole.
      await (only === undefined || shard.held ? this.#reload(shard) : this.#readTopic(shard, only));
      try {
        return await act(shard);
      } catch (failure) {
        if (!(failure instanceof ShardLost) || attempt === visitsMax) throw failure;
      } finally {
        // A visitor gets no change notices. If we took the shard meanwhile, it is read again before the next act.
        shard.stale = true;
        if (!shard.held) shard.clear();
      }
    }
  }

  /** Reads one topic for a visit. Reads nothing when the topic does not exist, or is being deleted. */
  async #readTopic(shard: OwnedShard, name: string): Promise<void> {
    const topic = await getSurely(this.#persistence, topicKey(shard.index, name));
    const known = topic && unlessDamaged(topic, decodeTopic);
    const key = known && placementKey(shard.index, known.topicId);
    const placement = key && (await getSurely(this.#persistence, key));
    if (shard.held) return this.#reload(shard);
    shard.absorbAll(topic && placement ? [topic, placement] : []);
  }

  async #reload(shard: OwnedShard): Promise<void> {
    // Set before the read: a change reported during the read may be missing from it.
    shard.stale = false;
    try {
      const rows = await rangeSurely(this.#persistence, shardPk(shard.index));
      shard.absorbAll(rows);
      // What a visitor has read is dropped with its visit.
      shard.isRead = shard.held;
    } catch (failure) {
      shard.stale = true;
      throw failure;
    }
  }
}

/** Takes over what was known of the row's version. */
function keepIn(shard: OwnedShard, before: ShardRows, { sk, version }: Row): void {
  if (sk.startsWith(topicSkPrefix)) keepOne(shard.topics, before.topics, sk.slice(topicSkPrefix.length), version);
  const placed = topicIdIn(placementSkPrefix, sk);
  if (placed !== undefined) keepOne(shard.placements, before.placements, placed, version);
  const deleted = topicIdIn(deletedTopicSkPrefix, sk);
  if (deleted !== undefined) keepOne(shard.deleted, before.deleted, deleted, version);
}

function keepOne<K, T>(into: Map<K, Stored<T>>, before: Map<K, Stored<T>>, key: K, version: number): void {
  const known = before.get(key);
  if (known?.version === version) into.set(key, known);
}

function topicIdIn(prefix: string, sk: string): Uuid | undefined {
  return sk.startsWith(prefix) ? parseUuid(sk.slice(prefix.length)) : undefined;
}

function* readable(rows: readonly Row[]): Iterable<PlacementRow> {
  for (const row of rows) {
    const placement = unlessDamaged(row, decodePlacement);
    if (placement) yield placement;
  }
}

function* placementsOf(shard: Shard): Iterable<PlacementRow> {
  for (const { row } of shard.placements.values()) yield row;
}

function countIn(rows: Iterable<PlacementRow>, brokerId: number): number {
  let count = 0;
  for (const { partitions } of rows) for (const partition of partitions) if (partition.brokerId === brokerId) count++;
  return count;
}

function homeOf(entry: TopicEntry): number {
  return shardOf(entry.clusterId, shardCount);
}

function rowIs(version: number): RowCondition {
  return version === 0 ? { absent: true } : { version };
}

function unlessLost(failure: unknown): void {
  if (!(failure instanceof ShardLost)) throw failure;
}

/** A change that is neither ours nor older than what we know comes from a visitor. */
function noteChange(shard: OwnedShard, change: RowChange): void {
  if (!shard.held) return;
  if (change === 'gap') {
    shard.stale = true;
    return;
  }
  const known = storedAt(shard, change.key);
  const isKnown = change.row ? known !== undefined && known.version >= change.row.version : known === undefined;
  if (!isKnown) shard.stale = true;
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
