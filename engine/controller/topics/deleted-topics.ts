/**
 * Frees the space of deleted topics. The row that the deletion left names every log that may still exist; each owner is
 * told to drop its own (CloseLogs), and the row shrinks with the answers. Repeating is harmless: a log that is gone counts
 * as closed.
 *
 * The last owner is asked, dead or not: when it died, its write-ahead log may hold the topic's records, and they are out
 * of it only when the slot serves again. An owner that is no slot of the fleet any more, or none at all, is stood in for
 * by any serving broker, since the segments are in shared storage.
 */
import { Failure } from '../../kernel/failure.ts';
import type { Uuid } from '../../kernel/uuid.ts';
import type { ControllerContext } from '../context.ts';
import {
  type DeletedPartition,
  type DeletedTopicRow,
  deletedTopicKey,
  encodeDeletedTopic,
} from '../rows/deleted-topic.ts';
import type { Shard } from '../shards/shards.ts';

const logsPerRequestMax = 500;

export class DeletedTopics {
  readonly #context: ControllerContext;
  #sweeping: Promise<void> | undefined;
  #again = false;

  constructor(context: ControllerContext) {
    this.#context = context;
  }

  /** One pass over all rows that are left; asked for during a pass, another follows. Never rejects on a store failure. */
  sweep(): Promise<void> {
    this.#again = true;
    this.#sweeping ??= this.#run().finally(() => (this.#sweeping = undefined));
    return this.#sweeping;
  }

  async #run(): Promise<void> {
    while (this.#again && !this.#context.isStopping()) {
      this.#again = false;
      // A gateway may have deleted topics of our shards.
      await this.#context.shards.barrier();
      for (const shard of this.#context.shards.held()) {
        for (const topicId of shard.deleted.keys()) await this.#free(shard, topicId);
      }
    }
  }

  async #free(shard: Shard, topicId: Uuid): Promise<void> {
    const row = shard.deleted.get(topicId)?.row;
    if (!row) return;
    const closed = await this.#close(row);
    if (closed.size === 0) return;
    try {
      await this.#context.shards.run(shard.index, (owned) => this.#shrink(owned, topicId, closed));
    } catch (failure) {
      // Lost shard or a store that is away: the row is still there for whoever sweeps next.
      if (!(failure instanceof Failure)) throw failure;
    }
  }

  async #shrink(shard: Shard, topicId: Uuid, closed: ReadonlySet<number>): Promise<void> {
    const stored = shard.deleted.get(topicId);
    if (!stored) return;
    const left = stored.row.partitions.filter(({ index }) => !closed.has(index));
    const key = deletedTopicKey(shard.index, topicId);
    const condition = { version: stored.version };
    if (left.length === 0) {
      await this.#context.shards.commit(shard, [{ op: 'delete', key, if: condition }]);
      const detail = { topicId: Buffer.from(topicId, 'latin1').toString('base64url') };
      this.#context.events.emit('topic-freed', 'deleted', detail);
      return;
    }
    const value = encodeDeletedTopic({ topicId, partitions: left });
    await this.#context.shards.commit(shard, [{ op: 'put', key, value, if: condition }]);
  }

  /** Indexes of the partitions that their owners have dropped. */
  async #close(row: DeletedTopicRow): Promise<Set<number>> {
    const closed = new Set<number>();
    for (const [brokerId, partitions] of this.#byBroker(row.partitions)) {
      for (let from = 0; from < partitions.length; from += logsPerRequestMax) {
        const chunk = partitions.slice(from, from + logsPerRequestMax);
        const logs = chunk.map(({ index }) => ({ topicId: row.topicId, partition: index }));
        try {
          const answer = await this.#context.brokerRequest(brokerId, 30001, { logs });
          for (const log of answer.logs) if (log.errorCode === 0) closed.add(log.partition);
        } catch {
          // Not reachable at the moment: its partitions stay in the row.
          break;
        }
      }
    }
    return closed;
  }

  #byBroker(partitions: readonly DeletedPartition[]): Map<number, DeletedPartition[]> {
    const { brokers } = this.#context;
    const groups = new Map<number, DeletedPartition[]>();
    for (const partition of partitions) {
      const owner = brokers.get(partition.brokerId) ? partition.brokerId : brokers.anyServing();
      if (owner === undefined || !brokers.isServing(owner)) continue;
      const group = groups.get(owner);
      if (group) group.push(partition);
      else groups.set(owner, [partition]);
    }
    return groups;
  }
}
