/**
 * Frees the space of deleted topics. The row that the deletion left names every log that may still exist. Each owner is
 * told to drop its own logs (CloseLogs), and the row shrinks with the answers. Topics are freed in batches: a request
 * to a broker or a write to a shard takes as long for one topic as for hundreds. Repeating is harmless: a log that is
 * gone counts as closed.
 *
 * The last owner is asked even if it is dead: its write-ahead log may hold the topic's records, and they leave that log
 * only when the slot serves again. If the owner's slot is no longer in the fleet, or there was no owner, any serving
 * broker stands in, since the segments are in shared storage.
 */
import { Failure } from '../../kernel/failure.ts';
import type { Uuid } from '../../kernel/uuid.ts';
import type { ControllerContext } from '../context.ts';
import { type StoreOp, storeOpsMax } from '../../ports.ts';
import { type DeletedTopicRow, deletedTopicKey, encodeDeletedTopic } from '../rows/deleted-topic.ts';
import type { Shard } from '../shards/shards.ts';

const logsPerRequestMax = 500;
/** Logs in a batch, over all brokers. A single topic may have more. */
const logsPerBatchMax = 1500;
/** Besides the shard's own check. */
const rowsPerTransactionMax = storeOpsMax - 1;
/** Total size of the shrinking rows in one transaction. */
const valueBytesMax = 2 * 1024 * 1024;

/** A deleted topic with logs left. */
interface Left {
  readonly shard: number;
  readonly row: DeletedTopicRow;
}

/** Partition indexes by topic. */
type ClosedLogs = ReadonlyMap<Uuid, ReadonlySet<number>>;

export class DeletedTopics {
  readonly #context: ControllerContext;
  #sweeping: Promise<void> | undefined;
  #again = false;

  constructor(context: ControllerContext) {
    this.#context = context;
  }

  /** One pass over all remaining rows. A call during a pass triggers another pass. Never rejects on a store failure. */
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
      for (const batch of this.#batches()) {
        if (this.#context.isStopping()) return;
        await this.#free(batch);
      }
    }
  }

  /** Batches over all shards, as the shards are when the pass begins. */
  #batches(): Left[][] {
    const batches: Left[][] = [];
    let logs = Infinity;
    for (const shard of this.#context.shards.held()) {
      for (const { row } of shard.deleted.values()) {
        if (logs + row.partitions.length > logsPerBatchMax) {
          batches.push([]);
          logs = 0;
        }
        batches.at(-1)!.push({ shard: shard.index, row });
        logs += row.partitions.length;
      }
    }
    return batches;
  }

  /** Emits one event for the whole batch: a tenant's bulk deletion should not push all other events out of the ring. */
  async #free(batch: readonly Left[]): Promise<void> {
    const closed = await this.#close(batch);
    const dueOfShard = new Map<number, Uuid[]>();
    for (const { shard, row } of batch) {
      if (!closed.has(row.topicId)) continue;
      const due = dueOfShard.get(shard);
      if (due) due.push(row.topicId);
      else dueOfShard.set(shard, [row.topicId]);
    }
    const freed: Uuid[] = [];
    const shrunk = [...dueOfShard].map(async ([shard, due]) => {
      for (let from = 0; from < due.length; from += rowsPerTransactionMax) {
        const rows = due.slice(from, from + rowsPerTransactionMax);
        freed.push(...(await this.#shrink(shard, rows, closed)));
      }
    });
    await Promise.all(shrunk);
    if (freed.length === 0) return;
    const named = freed.length === 1 ? { topicId: Buffer.from(freed[0]!, 'latin1').toString('base64url') } : {};
    this.#context.events.emit('topic-freed', 'deleted', { topics: freed.length, ...named });
  }

  /** Returns the topics with nothing left. */
  async #shrink(shard: number, topicIds: readonly Uuid[], closed: ClosedLogs): Promise<readonly Uuid[]> {
    try {
      return await this.#context.shards.run(shard, async (owned) => {
        const { ops, freed } = shrinkOps(owned, topicIds, closed);
        if (ops.length > 0) await this.#context.shards.commit(owned, ops);
        return freed;
      });
    } catch (failure) {
      // Lost shard or unavailable store: the rows remain for the next sweep.
      if (!(failure instanceof Failure)) throw failure;
      return [];
    }
  }

  /** Indexes of the partitions that their owners have dropped. */
  async #close(batch: readonly Left[]): Promise<ClosedLogs> {
    const closed = new Map<Uuid, Set<number>>();
    const asked = [...this.#byBroker(batch)].map(async ([brokerId, logs]) => {
      for (let from = 0; from < logs.length; from += logsPerRequestMax) {
        const chunk = logs.slice(from, from + logsPerRequestMax);
        try {
          const answer = await this.#context.brokerRequest(brokerId, 30001, { logs: chunk });
          for (const { topicId, partition, errorCode } of answer.logs) {
            if (errorCode !== 0) continue;
            const indexes = closed.get(topicId);
            if (indexes) indexes.add(partition);
            else closed.set(topicId, new Set([partition]));
          }
        } catch {
          // Unreachable at the moment: its partitions stay in the rows.
          break;
        }
      }
    });
    await Promise.all(asked);
    return closed;
  }

  #byBroker(batch: readonly Left[]): Map<number, { topicId: Uuid; partition: number }[]> {
    const { brokers } = this.#context;
    const groups = new Map<number, { topicId: Uuid; partition: number }[]>();
    for (const { row } of batch) {
      for (const { index, brokerId } of row.partitions) {
        const owner = brokers.get(brokerId) ? brokerId : brokers.anyServing();
        if (owner === undefined || !brokers.isServing(owner)) continue;
        const log = { topicId: row.topicId, partition: index };
        const group = groups.get(owner);
        if (group) group.push(log);
        else groups.set(owner, [log]);
      }
    }
    return groups;
  }
}

/**
 * The writes that shrink or delete the rows of these topics, and the topics whose rows go. Their values together stay
 * small compared to a transaction.
 */
function shrinkOps(
  shard: Shard,
  topicIds: readonly Uuid[],
  closed: ClosedLogs,
): { readonly ops: readonly StoreOp[]; readonly freed: readonly Uuid[] } {
  const ops: StoreOp[] = [];
  const freed: Uuid[] = [];
  let bytes = 0;
  for (const topicId of topicIds) {
    const stored = shard.deleted.get(topicId);
    if (!stored) continue;
    const left = stored.row.partitions.filter(({ index }) => !closed.get(topicId)?.has(index));
    const key = deletedTopicKey(shard.index, topicId);
    const condition = { version: stored.version };
    if (left.length === 0) {
      ops.push({ op: 'delete', key, if: condition });
      freed.push(topicId);
      continue;
    }
    const value = encodeDeletedTopic({ topicId, partitions: left });
    // Skipping is harmless: the next sweep asks again for logs that are closed already.
    if (ops.length > 0 && bytes + value.length > valueBytesMax) continue;
    bytes += value.length;
    ops.push({ op: 'put', key, value, if: condition });
  }
  return { ops, freed };
}
