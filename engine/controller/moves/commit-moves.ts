/**
 * Writes moves into placement rows: shard by shard, each in its turn, many topics to a transaction. A move counts only
 * if the partition is still where the plan saw it and the target may still own it. Between plan and write, a topic may
 * be deleted, another move may land, or a target may die.
 *
 * Every transaction checks the session row of the broker that loses partitions. Without this check, with several
 * controllers:
 *
 *   A, who keeps the fleet, recovers broker 1        B, who owns the shard, plans to move p from 1 to 2
 *   A closes the session, starts the next one
 *   broker 1 opens p at its epoch, and accepts        B writes: p is at 2, at epoch + 1
 *
 * and the log would have two owners. With the check, B's write is refused, and p stays with broker 1.
 *
 * A transaction also checks the session row of each broker that gains partitions. A broker that is fenced or draining
 * by then gets nothing that its recovery or its last release would have to hand on. And it checks the row with the wish
 * for the fleet: a controller that has not yet heard that a broker is to be left empty cannot give it partitions after
 * another controller has counted it as empty.
 */
import type { Uuid } from '../../kernel/uuid.ts';
import type { PlanMove } from '../../placement/constraints.ts';
import { type Row, StoreConflict, type StoreOp } from '../../ports.ts';
import { noteSession } from '../brokers/brokers.ts';
import type { ControllerContext } from '../context.ts';
import { brokerSessionsPk } from '../rows/broker-session.ts';
import { fleetKey } from '../rows/fleet.ts';
import { encodePlacement, placementKey, type PlacementRow } from '../rows/placement.ts';
import { type Shard, ShardLost } from '../shards/shards.ts';

/** A visitor that changes the same rows makes us read them again, but it does not keep doing so. */
const attemptsMax = 10;
/** Half of what a transaction may hold. */
const commitBytesMax = 2 * 1024 * 1024;

export interface CommitResult {
  readonly moved: number;
  /** Moves whose target may no longer own partitions. The partition is still at its source. */
  readonly refused: readonly PlanMove[];
}

export interface MoveRules {
  /** Whether the target may own partitions now. Called in the shard's turn. */
  mayOwn(move: PlanMove): boolean;
  /** The epoch that the owner has released. If the placed epoch differs, the move is out of date. */
  releasedEpoch?(move: PlanMove): number | undefined;
  /**
   * Conditions on the sessions of these losing brokers, as they were when the decision was made: at the release, or
   * when the brokers were found dead. Not as they are in the shard's turn, because by then the slot may serve again.
   */
  unchanged(losing: ReadonlySet<number>): readonly StoreOp[];
}

/**
 * A shard that was lost meanwhile is left to its owner, except for released partitions (`releasedEpoch`). Partitions
 * whose owner's session changed stay where they are. Throws the store's failure when it outlasts the wait; earlier
 * writes stay.
 */
export async function commitMoves(
  context: ControllerContext,
  moves: readonly PlanMove[],
  rules: MoveRules,
): Promise<CommitResult> {
  const results = await Promise.all(
    [...byShard(context, moves)].map(([index, ofShard]) => commitInShard(context, index, ofShard, rules)),
  );
  return {
    moved: results.reduce((sum, result) => sum + result.moved, 0),
    refused: results.flatMap((result) => result.refused),
  };
}

async function commitInShard(
  context: ControllerContext,
  index: number,
  moves: ReadonlyMap<Uuid, PlanMove[]>,
  rules: MoveRules,
): Promise<CommitResult> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await context.shards.run(index, (shard) => commitIn(context, shard, moves, rules));
    } catch (failure) {
      if (failure instanceof ShardLost) {
        // Nobody serves a released partition until its row is written. We write it as a visitor of the shard, and so
        // find every row as the shard's new owner has it. The partitions of a dead broker are found by the new owner
        // itself.
        if (rules.releasedEpoch && attempt < attemptsMax) continue;
        return { moved: 0, refused: [] };
      }
      if (!(failure instanceof StoreConflict)) throw failure;
      if (attempt === attemptsMax || isOfLoser(failure.current, moves)) return { moved: 0, refused: [] };
      if (failure.current?.pk === fleetKey.pk) await context.wish.refresh();
      else noteTarget(context, failure.current);
    }
  }
}

function isOfLoser(current: Row | undefined, moves: ReadonlyMap<Uuid, PlanMove[]>): boolean {
  if (current?.pk !== brokerSessionsPk) return false;
  const brokerId = Number(current.sk);
  return [...moves.values()].some((ofTopic) => ofTopic.some(({ from }) => from === brokerId));
}

/**
 * A target's session differs from what we knew. Its current row decides again whether the target may own partitions.
 */
function noteTarget(context: ControllerContext, current: Row | undefined): void {
  const view = current?.pk === brokerSessionsPk ? context.brokers.get(Number(current.sk)) : undefined;
  if (view) noteSession(view, current);
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
  rules: MoveRules,
): Promise<CommitResult> {
  const refused: PlanMove[] = [];
  let moved = 0;
  let ops: StoreOp[] = [];
  let bytes = 0;
  let movesInOps = 0;
  const losing = new Set<number>();
  /** The checks as they were when the target was found open. */
  const gaining = new Map<number, readonly StoreOp[]>();
  const flush = async (): Promise<void> => {
    if (ops.length > 0) {
      const losers = rules.unchanged(losing);
      // When more brokers gain than a transaction can name, some go unchecked.
      const wish = context.wish.unchanged();
      const room = context.settings.moveOpsMax - ops.length - losers.length - wish.length;
      const targets = [...gaining].flatMap(([brokerId, checks]) => (losing.has(brokerId) ? [] : checks));
      await context.shards.commit(shard, [...ops, ...losers, ...wish, ...targets.slice(0, Math.max(0, room))]);
    }
    moved += movesInOps;
    ops = [];
    bytes = 0;
    movesInOps = 0;
    losing.clear();
    gaining.clear();
  };
  for (const [topicId, moves] of topics) {
    const stored = shard.placements.get(topicId);
    if (!stored) continue;
    const changed = applyMoves(stored.row, moves, rules, refused, context.clock.wallMs());
    if (changed.moves === 0) continue;
    const targets = [...changed.gaining].map((id) => [id, context.brokers.unchanged([id])] as const);
    const value = encodePlacement(changed.row);
    const sessions = losing.size + changed.losing.size + gaining.size + changed.gaining.size;
    // Counts its own row and the row of the wish.
    const isFull = ops.length > 0 && ops.length + 2 + sessions > context.settings.moveOpsMax;
    if (isFull || bytes + value.length > commitBytesMax) await flush();
    for (const brokerId of changed.losing) losing.add(brokerId);
    for (const [id, checks] of targets) if (!gaining.has(id)) gaining.set(id, checks);
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
  rules: MoveRules,
  refused: PlanMove[],
  movedAtMs: number,
): { row: PlacementRow; moves: number; losing: Set<number>; gaining: Set<number> } {
  const partitions = [...row.partitions];
  const losing = new Set<number>();
  const gaining = new Set<number>();
  let count = 0;
  for (const move of moves) {
    const present = partitions[move.partition];
    if (present?.brokerId !== move.from) continue;
    if ((rules.releasedEpoch?.(move) ?? present.leaderEpoch) !== present.leaderEpoch) continue;
    if (!rules.mayOwn(move)) {
      refused.push(move);
      continue;
    }
    const leaderEpoch = present.leaderEpoch + 1;
    partitions[move.partition] = { brokerId: move.to, leaderEpoch, reason: move.reason, movedAtMs };
    losing.add(move.from);
    gaining.add(move.to);
    count++;
  }
  return { row: { topicId: row.topicId, partitions }, moves: count, losing, gaining };
}
