/**
 * Writes moves into placement rows: shard by shard, each in its turn, many topics to a transaction. A move counts only if
 * the partition is still where the plan saw it and its target may still own it: between plan and write a topic is deleted,
 * another move lands, a target dies.
 */
import type { Uuid } from '../kernel/uuid.ts';
import type { PlanMove } from '../placement/constraints.ts';
import type { StoreOp } from '../ports.ts';
import type { ControllerContext } from './context.ts';
import { encodePlacement, placementKey, type PlacementRow } from './rows/placement.ts';
import { type Shard, ShardLost } from './shards.ts';

/** Room for the shard's check within the 100 operations of a transaction. */
const rowsPerCommitMax = 90;
/** Half of what a transaction may hold. */
const commitBytesMax = 2 * 1024 * 1024;

export interface CommitResult {
  readonly moved: number;
  /** Moves whose target may not own partitions any more; the partition is still at its source. */
  readonly refused: readonly PlanMove[];
}

/**
 * `mayOwn` is asked in the shard's turn. A shard that was lost meanwhile is left to its owner. Throws the store's failure
 * when it outlasts the wait; what was written by then stays.
 */
export async function commitMoves(
  context: ControllerContext,
  moves: readonly PlanMove[],
  mayOwn: (move: PlanMove) => boolean,
): Promise<CommitResult> {
  const results = await Promise.all(
    [...byShard(context, moves)].map(async ([index, ofShard]) => {
      try {
        return await context.shards.run(index, (shard) => commitIn(context, shard, ofShard, mayOwn));
      } catch (failure) {
        if (failure instanceof ShardLost) return { moved: 0, refused: [] };
        throw failure;
      }
    }),
  );
  return {
    moved: results.reduce((sum, result) => sum + result.moved, 0),
    refused: results.flatMap((result) => result.refused),
  };
}

function byShard(context: ControllerContext, moves: readonly PlanMove[]): Map<number, Map<Uuid, PlanMove[]>> {
  const shardOfTopic = new Map<Uuid, number | undefined>();
  const shards = new Map<number, Map<Uuid, PlanMove[]>>();
  for (const move of moves) {
    if (!shardOfTopic.has(move.topicId)) shardOfTopic.set(move.topicId, context.shards.ofTopicId(move.topicId));
    const index = shardOfTopic.get(move.topicId);
    if (index === undefined) continue;
    let topics = shards.get(index);
    if (!topics) shards.set(index, (topics = new Map()));
    const ofTopic = topics.get(move.topicId);
    if (ofTopic) ofTopic.push(move);
    else topics.set(move.topicId, [move]);
  }
  return shards;
}

async function commitIn(
  context: ControllerContext,
  shard: Shard,
  topics: ReadonlyMap<Uuid, PlanMove[]>,
  mayOwn: (move: PlanMove) => boolean,
): Promise<CommitResult> {
  const refused: PlanMove[] = [];
  let moved = 0;
  let ops: StoreOp[] = [];
  let bytes = 0;
  let movesInOps = 0;
  const flush = async (): Promise<void> => {
    if (ops.length > 0) await context.shards.commit(shard, ops);
    moved += movesInOps;
    ops = [];
    bytes = 0;
    movesInOps = 0;
  };
  for (const [topicId, moves] of topics) {
    const stored = shard.placements.get(topicId);
    if (!stored) continue;
    const changed = applyMoves(stored.row, moves, mayOwn, refused, context.clock.wallMs());
    if (changed.moves === 0) continue;
    const value = encodePlacement(changed.row);
    if (ops.length === rowsPerCommitMax || bytes + value.length > commitBytesMax) await flush();
    ops.push({ op: 'put', key: placementKey(shard.index, topicId), value, if: { version: stored.version } });
    bytes += value.length;
    movesInOps += changed.moves;
  }
  await flush();
  return { moved, refused };
}

function applyMoves(
  row: PlacementRow,
  moves: readonly PlanMove[],
  mayOwn: (move: PlanMove) => boolean,
  refused: PlanMove[],
  movedAtMs: number,
): { row: PlacementRow; moves: number } {
  const partitions = [...row.partitions];
  let count = 0;
  for (const move of moves) {
    const present = partitions[move.partition];
    if (present?.brokerId !== move.from) continue;
    if (!mayOwn(move)) {
      refused.push(move);
      continue;
    }
    const leaderEpoch = present.leaderEpoch + 1;
    partitions[move.partition] = { brokerId: move.to, leaderEpoch, reason: move.reason, movedAtMs };
    count++;
  }
  return { row: { topicId: row.topicId, partitions }, moves: count };
}
