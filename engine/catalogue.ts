/**
 * The topics that exist, where their partitions are, and where the brokers listen. The data path reads these plain Maps and
 * never asks the store. The store's change feed over the shards' rows and the broker sessions keeps them current.
 *
 * For each partition key, the feed starts the watch and then reads the rows. Changes that arrive meanwhile wait and are
 * applied after the rows. A waiting change may be older than the row that was read. The feed then delivers every later step
 * as well, so the map ends up right, and `newer` keeps leader epochs from stepping back on the way. A 'gap' starts over the
 * same way; a row that the new read does not find has been deleted.
 */
import type { Clock } from './kernel/clock.ts';
import { Failure } from './kernel/failure.ts';
import { parseUuid, type Uuid } from './kernel/uuid.ts';
import { type BrokerSession, brokerSessionsPk, decodeBrokerSession } from './controller/rows/broker-session.ts';
import { decodePlacement, type PartitionPlacement, placementSkPrefix } from './controller/rows/placement.ts';
import { shardCount, shardPk } from './controller/rows/shard.ts';
import { decodeTopic, type TopicRow, topicSkPrefix } from './controller/rows/topic.ts';
import type { Catalogue, PartitionEntry, TopicEntry } from './engine.ts';
import type { MetadataStore, Row, RowChange } from './ports.ts';

/** Pause before a partition key whose read failed is read again. */
const rereadMs = 100;

export class StoreCatalogue implements Catalogue {
  readonly #store: MetadataStore;
  readonly #clock: Clock;
  readonly #byName = new Map<string, TopicEntry>();
  readonly #byId = new Map<Uuid, TopicEntry>();
  readonly #clusters = new Map<string, ClusterTopics>();
  /** Placements by topic id; a placement row may arrive before its topic row. */
  readonly #places = new Map<Uuid, readonly PartitionPlacement[]>();
  readonly #brokers = new Map<number, BrokerSession>();
  readonly #feeds: Feed[] = [];
  readonly #topicListeners: ((topicId: Uuid) => void)[] = [];
  readonly #brokerListeners: ((brokerId: number) => void)[] = [];

  constructor(store: MetadataStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** Resolves when every shard and all brokers have been read once. */
  async start(): Promise<void> {
    for (let shard = 0; shard < shardCount; shard++) {
      this.#follow(shardPk(shard), (sk, row) => this.#changeShardRow(sk, row));
    }
    this.#follow(brokerSessionsPk, (sk, row) => this.#changeBroker(sk, row));
    await Promise.all(this.#feeds.map((feed) => feed.ready));
  }

  /** Looks for changes now: for a caller that knows there must be one. */
  refresh(): void {
    this.#store.refresh?.();
  }

  close(): void {
    for (const feed of this.#feeds) feed.close();
  }

  byName(name: string): TopicEntry | undefined {
    return this.#byName.get(name);
  }

  byId(topicId: Uuid): TopicEntry | undefined {
    return this.#byId.get(topicId);
  }

  ofCluster(clusterId: string): Iterable<TopicEntry> {
    return this.#clusters.get(clusterId)?.inNameOrder() ?? [];
  }

  /** All topics of all clusters, in no particular order. */
  all(): Iterable<TopicEntry> {
    return this.#byId.values();
  }

  /** Row changes that could not be decoded and were left out. */
  get unreadableRows(): number {
    return this.#feeds.reduce((sum, feed) => sum + feed.unreadableRows, 0);
  }

  broker(brokerId: number): BrokerSession | undefined {
    return this.#brokers.get(brokerId);
  }

  brokers(): Iterable<BrokerSession> {
    return this.#brokers.values();
  }

  /** Called after a topic came, went, or changed its placement or configs. */
  onPlacement(listener: (topicId: Uuid) => void): void {
    this.#topicListeners.push(listener);
  }

  onBroker(listener: (brokerId: number) => void): void {
    this.#brokerListeners.push(listener);
  }

  #follow(pk: string, apply: (sk: string, row: Row | undefined) => void): void {
    this.#feeds.push(new Feed(this.#store, this.#clock, pk, apply));
  }

  #changeShardRow(sk: string, row: Row | undefined): void {
    if (sk.startsWith(topicSkPrefix)) this.#changeTopic(sk.slice(topicSkPrefix.length), row && decodeTopic(row));
    else if (sk.startsWith(placementSkPrefix)) this.#changePlacement(sk, row);
  }

  #changePlacement(sk: string, row: Row | undefined): void {
    if (!row) {
      // The placement is deleted with its topic. Without this, a placement that arrives after its topic has gone would
      // stay.
      const deleted = parseUuid(sk.slice(placementSkPrefix.length));
      if (deleted !== undefined && !this.#byId.has(deleted)) this.#places.delete(deleted);
    } else {
      const { topicId, partitions } = decodePlacement(row);
      this.#places.set(topicId, newer(this.#places.get(topicId), partitions));
      const entry = this.#byId.get(topicId);
      if (entry) this.#put(entryOf({ ...entry, partitions: entry.partitions.length }, this.#places.get(topicId)));
    }
  }

  #changeTopic(name: string, topic: TopicRow | undefined): void {
    const old = this.#byName.get(name);
    if (old && old.topicId !== topic?.topicId) this.#remove(old);
    if (topic) this.#put(entryOf(topic, this.#places.get(topic.topicId)));
  }

  #put(entry: TopicEntry): void {
    this.#byName.set(entry.name, entry);
    this.#byId.set(entry.topicId, entry);
    let cluster = this.#clusters.get(entry.clusterId);
    if (!cluster) this.#clusters.set(entry.clusterId, (cluster = new ClusterTopics()));
    cluster.put(entry);
    for (const listener of this.#topicListeners) listener(entry.topicId);
  }

  #remove(entry: TopicEntry): void {
    this.#byName.delete(entry.name);
    this.#byId.delete(entry.topicId);
    this.#places.delete(entry.topicId);
    const cluster = this.#clusters.get(entry.clusterId);
    cluster?.remove(entry.name);
    if (cluster?.isEmpty()) this.#clusters.delete(entry.clusterId);
    for (const listener of this.#topicListeners) listener(entry.topicId);
  }

  #changeBroker(sk: string, row: Row | undefined): void {
    if (row) this.#brokers.set(Number(sk), decodeBrokerSession(row));
    else this.#brokers.delete(Number(sk));
    for (const listener of this.#brokerListeners) listener(Number(sk));
  }
}

/** A cluster's topics. They are sorted when somebody lists them, and the order is kept until a topic comes or goes. */
class ClusterTopics {
  readonly #topics = new Map<string, TopicEntry>();
  #names: string[] | undefined;

  put(entry: TopicEntry): void {
    if (!this.#topics.has(entry.name)) this.#names = undefined;
    this.#topics.set(entry.name, entry);
  }

  remove(name: string): void {
    if (this.#topics.delete(name)) this.#names = undefined;
  }

  isEmpty(): boolean {
    return this.#topics.size === 0;
  }

  *inNameOrder(): Generator<TopicEntry, void, void> {
    this.#names ??= [...this.#topics.keys()].sort();
    for (const name of this.#names) {
      const entry = this.#topics.get(name);
      if (entry) yield entry;
    }
  }
}

const nowhere: PartitionPlacement = { brokerId: -1, leaderEpoch: -1, reason: 'created', movedAtMs: 0 };

function entryOf(topic: TopicRow, places: readonly PartitionPlacement[] | undefined): TopicEntry {
  const partitions: PartitionEntry[] = [];
  for (let index = 0; index < topic.partitions; index++) partitions.push({ index, ...(places?.[index] ?? nowhere) });
  return { ...topic, partitions };
}

/** Merges two views of one topic's placement: for each partition, the later one. */
function newer(
  known: readonly PartitionPlacement[] | undefined,
  read: readonly PartitionPlacement[],
): readonly PartitionPlacement[] {
  if (!known) return read;
  const merged = read.map((place, i) => {
    const old = known[i];
    return old && old.leaderEpoch > place.leaderEpoch ? old : place;
  });
  return merged.length < known.length ? [...merged, ...known.slice(merged.length)] : merged;
}

/** One partition key, read and followed. */
class Feed {
  readonly ready: Promise<void>;
  unreadableRows = 0;
  readonly #store: MetadataStore;
  readonly #clock: Clock;
  readonly #pk: string;
  readonly #apply: (sk: string, row: Row | undefined) => void;
  readonly #stopWatching: () => void;
  readonly #known = new Set<string>();
  /** Changes that arrived during a read; undefined when no read is running. */
  #waiting: RowChange[] | undefined;
  #closed = false;
  #isReady!: () => void;

  constructor(store: MetadataStore, clock: Clock, pk: string, apply: (sk: string, row: Row | undefined) => void) {
    this.#store = store;
    this.#clock = clock;
    this.#pk = pk;
    this.#apply = apply;
    this.ready = new Promise((resolve) => (this.#isReady = resolve));
    this.#waiting = [];
    this.#stopWatching = store.watch(pk, (change) => this.#change(change));
    void this.#read();
  }

  close(): void {
    this.#closed = true;
    this.#stopWatching();
  }

  #change(change: RowChange): void {
    if (this.#closed) return;
    if (this.#waiting) {
      this.#waiting.push(change);
    } else if (change === 'gap') {
      this.#waiting = [];
      void this.#read();
    } else this.#set(change.key.sk, change.row);
  }

  async #read(): Promise<void> {
    const rows = new Map<string, Row>();
    try {
      let cursor: string | undefined;
      do {
        const page = await this.#store.range(this.#pk, cursor === undefined ? {} : { cursor });
        for (const row of page.rows) rows.set(row.sk, row);
        cursor = page.cursor;
      } while (cursor !== undefined);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      if (!this.#closed) this.#clock.after(rereadMs, () => void this.#read(), 'background');
      return;
    }
    if (this.#closed) return;
    const waiting = this.#waiting!;
    // A gap during the read: the rows may lack changes that will never be delivered.
    const again = waiting.includes('gap');
    this.#waiting = again ? [] : undefined;
    for (const sk of this.#known) if (!rows.has(sk)) this.#set(sk, undefined);
    for (const row of rows.values()) this.#set(row.sk, row);
    if (again) return void this.#read();
    for (const change of waiting) if (change !== 'gap') this.#set(change.key.sk, change.row);
    this.#isReady();
  }

  #set(sk: string, row: Row | undefined): void {
    if (row) this.#known.add(sk);
    else this.#known.delete(sk);
    try {
      this.#apply(sk, row);
    } catch (error) {
      // One unreadable row must not take down every topic of every gateway: the rest is still served.
      if (!(error instanceof Failure)) throw error;
      this.unreadableRows++;
    }
  }
}
