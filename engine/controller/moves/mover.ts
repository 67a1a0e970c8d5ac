/**
 * Planned moves. The owner first releases the logs (it stops accepting, and rolls their tails into segments); only then
 * is the new owner written. A released log opens again only at a higher leader epoch. So once the owner has released, a
 * new epoch must follow: for the target or, when the target is gone by then, for the owner itself.
 *
 * No answer, or a failure, leaves the outcome unknown. The release is repeated until it succeeds or the owner is dead;
 * a log that the owner does not have counts as released. An owner that is alive by its lease but has not released
 * within the wait is killed: recovery is the one path that needs nobody's answer.
 */
import { sleep } from '../../kernel/clock.ts';
import type { RequestOf } from '../../protocol/apis.ts';
import type { PlanMove } from '../../placement/constraints.ts';
import type { StoreOp } from '../../ports.ts';
import { commitMoves } from './commit-moves.ts';
import { causeText, type ControllerContext } from '../context.ts';

export class Mover {
  readonly #context: ControllerContext;

  constructor(context: ControllerContext) {
    this.#context = context;
  }

  /** Resolves with the number of partitions that changed owner. Moves whose owner died are left to its recovery. */
  async moveAll(moves: readonly PlanMove[]): Promise<number> {
    const chunks = chunksOf(moves, this.#context.settings.logsPerReleaseMax);
    let moved = 0;
    let next = 0;
    const work = async (): Promise<void> => {
      for (let chunk = chunks[next++]; chunk; chunk = chunks[next++]) {
        if (this.#context.isStopping()) return;
        moved += await this.#moveChunk(chunk);
      }
    };
    const workers = Math.min(chunks.length, this.#context.settings.releasesInFlightMax);
    await Promise.all(Array.from({ length: workers }, work));
    if (moved > 0) this.#context.events.emit('partitions-moved', moves[0]!.reason, { partitions: moved });
    return moved;
  }

  async #moveChunk(moves: readonly PlanMove[]): Promise<number> {
    const view = this.#context.brokers.get(moves[0]!.from);
    if (view) view.moving += moves.length;
    try {
      return await this.#releaseAndCommit(moves);
    } finally {
      if (view) view.moving -= moves.length;
    }
  }

  async #releaseAndCommit(moves: readonly PlanMove[]): Promise<number> {
    const { brokers } = this.#context;
    // Also checked before the release: a target that is already gone then costs the clients no pause.
    const open = moves.filter((move) => brokers.mayOwn(move.to));
    const owner = open[0]?.from;
    if (owner === undefined) return 0;
    const { shards } = this.#context;
    const epochs = new Map(open.map((move) => [move, shards.leaderEpochOf(move.topicId, move.partition)]));
    // Checks for the session that is asked. A later session knows nothing of the release, and may have opened the log
    // again.
    const checks = brokers.unchanged([owner]);
    if (!(await this.#release(owner, open, epochs))) return 0;
    const unchanged = (): StoreOp[] => checks;
    const rules = { unchanged, releasedEpoch: (move: PlanMove) => epochs.get(move) };
    const { moved, refused } = await commitMoves(this.#context, open, {
      ...rules,
      mayOwn: (move) => brokers.mayOwn(move.to),
    });
    if (refused.length === 0) return moved;
    const back = new Map(refused.map((move) => [{ ...move, to: move.from }, epochs.get(move)]));
    // The owner may meanwhile have taken the log back by itself, and serves it. Another epoch would take away its own
    // log.
    await commitMoves(this.#context, [...back.keys()], {
      unchanged,
      releasedEpoch: (move) => back.get(move),
      mayOwn: (move) => brokers.isServing(move.to),
    });
    return moved;
  }

  /** Whether the owner released the logs of all its moves. */
  async #release(owner: number, moves: readonly PlanMove[], epochs: ReadonlyMap<PlanMove, number>): Promise<boolean> {
    const { brokers, clock, settings, events, fleet } = this.#context;
    const session = brokers.get(owner)?.session?.epoch;
    const logs = moves.map((move) => ({
      topicId: move.topicId,
      partition: move.partition,
      leaderEpoch: epochs.get(move) ?? -1,
    }));
    const deadlineMs = clock.monotonicMs() + settings.releaseWaitMsMax;
    while (brokers.isServing(owner) && brokers.get(owner)?.session?.epoch === session) {
      const cause = await this.#askToRelease(owner, logs);
      if (cause === undefined) return true;
      if (clock.monotonicMs() >= deadlineMs) {
        events.emit('release-failed', cause, { brokerId: owner, logs: logs.length });
        await fleet.kill(owner);
        return false;
      }
      await sleep(clock, settings.requestRetryMs);
    }
    return false;
  }

  /** Undefined when all logs are released, otherwise the reason. */
  async #askToRelease(owner: number, logs: RequestOf<30000>['logs']): Promise<string | undefined> {
    try {
      const answer = await this.#context.brokerRequest(owner, 30000, { logs });
      const refused = answer.logs.find((log) => log.errorCode !== 0);
      return refused && `error ${refused.errorCode} for partition ${refused.partition}`;
    } catch (cause) {
      return causeText(cause);
    }
  }
}

/** Chunks with one owner each, in the order of the moves. */
function chunksOf(moves: readonly PlanMove[], logsMax: number): PlanMove[][] {
  const open = new Map<number, PlanMove[]>();
  const chunks: PlanMove[][] = [];
  for (const move of moves) {
    let chunk = open.get(move.from);
    if (!chunk || chunk.length === logsMax) {
      chunk = [];
      open.set(move.from, chunk);
      chunks.push(chunk);
    }
    chunk.push(move);
  }
  return chunks;
}
