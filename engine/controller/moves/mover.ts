/**
 * Planned moves. The owner first releases the logs (it stops accepting, and rolls their tails into segments); only then
 * is the new owner written. A released log opens again only at a higher leader epoch. So once the owner has released, a
 * new epoch must follow: for the target or, when the target is gone by then, for the owner itself.
 *
 * An owner that answers with a failure still has the logs, and serves them (take-back.ts): its segment store is away or
 * slow, or its disk is full. A recovery would need the same store, so the owner is left alone, and the moves are put off.
 *
 * No answer leaves the outcome unknown. The release is repeated until it succeeds or the owner is dead; a log that the
 * owner does not have counts as released. An owner that is alive by its lease but has not answered within the wait is
 * killed: recovery is the one path that needs nobody's answer.
 */
import { sleep } from '../../kernel/clock.ts';
import type { RequestOf } from '../../protocol/apis.ts';
import { errorCode } from '../../protocol/error-codes.ts';
import type { PlanMove } from '../../placement/constraints.ts';
import type { StoreOp } from '../../ports.ts';
import { commitMoves } from './commit-moves.ts';
import { causeText, type ControllerContext } from '../context.ts';

export interface Moved {
  /** Partitions that changed owner. */
  readonly moved: number;
  /** Partitions whose owner could not release them, and serves them. */
  readonly putOff: number;
}

const nothing: Moved = { moved: 0, putOff: 0 };
/** Between two events about moves that the same owner puts off. */
const putOffToldMs = 60_000;

export class Mover {
  readonly #context: ControllerContext;
  /** When it was last told that an owner's moves are put off; until one of them succeeds. */
  readonly #putOffAtMs = new Map<number, number>();

  constructor(context: ControllerContext) {
    this.#context = context;
  }

  /** Moves whose owner died are left to its recovery. After a failed release, its owner is asked for nothing more. */
  async moveAll(moves: readonly PlanMove[]): Promise<Moved> {
    const chunks = chunksOf(moves, this.#context.settings.logsPerReleaseMax);
    let moved = 0;
    let putOff = 0;
    const unable = new Set<number>();
    let next = 0;
    const work = async (): Promise<void> => {
      for (let chunk = chunks[next++]; chunk; chunk = chunks[next++]) {
        if (this.#context.isStopping()) return;
        const owner = chunk[0]!.from;
        const done = unable.has(owner) ? { moved: 0, putOff: chunk.length } : await this.#moveChunk(chunk);
        if (done.putOff > 0) unable.add(owner);
        moved += done.moved;
        putOff += done.putOff;
      }
    };
    const workers = Math.min(chunks.length, this.#context.settings.releasesInFlightMax);
    await Promise.all(Array.from({ length: workers }, work));
    if (moved > 0) this.#context.events.emit('partitions-moved', moves[0]!.reason, { partitions: moved });
    return { moved, putOff };
  }

  async #moveChunk(moves: readonly PlanMove[]): Promise<Moved> {
    const view = this.#context.brokers.get(moves[0]!.from);
    if (view) view.moving += moves.length;
    try {
      return await this.#releaseAndCommit(moves);
    } finally {
      if (view) view.moving -= moves.length;
    }
  }

  async #releaseAndCommit(moves: readonly PlanMove[]): Promise<Moved> {
    const { brokers } = this.#context;
    // Also checked before the release: a target that is already gone then costs the clients no pause.
    const open = moves.filter((move) => brokers.mayOwn(move.to));
    const owner = open[0]?.from;
    if (owner === undefined) return nothing;
    const { shards } = this.#context;
    const epochs = new Map(open.map((move) => [move, shards.leaderEpochOf(move.topicId, move.partition)]));
    // Checks for the session that is asked. A later session knows nothing of the release, and may have opened the log
    // again.
    const checks = brokers.unchanged([owner]);
    const released = await this.#release(owner, open, epochs);
    if (released === 'refused') {
      // It takes its logs back at the next epoch, if it has not done so already.
      shards.outdated(new Set(open.map((move) => move.topicId)));
      return { moved: 0, putOff: open.length };
    }
    if (released === 'owner-gone') return nothing;
    const unchanged = (): StoreOp[] => checks;
    const rules = { unchanged, releasedEpoch: (move: PlanMove) => epochs.get(move) };
    const { moved, refused } = await commitMoves(this.#context, open, {
      ...rules,
      mayOwn: (move) => brokers.mayOwn(move.to),
    });
    if (refused.length === 0) return { moved, putOff: 0 };
    const back = new Map(refused.map((move) => [{ ...move, to: move.from }, epochs.get(move)]));
    // The owner may meanwhile have taken the log back by itself, and serves it. Another epoch would take away its own
    // log.
    await commitMoves(this.#context, [...back.keys()], {
      unchanged,
      releasedEpoch: (move) => back.get(move),
      mayOwn: (move) => brokers.isServing(move.to),
    });
    return { moved, putOff: 0 };
  }

  async #release(
    owner: number,
    moves: readonly PlanMove[],
    epochs: ReadonlyMap<PlanMove, number>,
  ): Promise<'released' | 'refused' | 'owner-gone'> {
    const { brokers, clock, settings, events, fleet } = this.#context;
    const session = brokers.get(owner)?.session?.epoch;
    const logs = moves.map((move) => ({
      topicId: move.topicId,
      partition: move.partition,
      leaderEpoch: epochs.get(move) ?? -1,
    }));
    const deadlineMs = clock.monotonicMs() + settings.releaseWaitMsMax;
    while (brokers.isServing(owner) && brokers.get(owner)?.session?.epoch === session) {
      const outcome = await this.#askToRelease(owner, logs);
      if (outcome.kind === 'released') this.#putOffAtMs.delete(owner);
      if (outcome.kind === 'refused' && outcome.cause !== undefined)
        this.#tellPutOff(owner, logs.length, outcome.cause);
      if (outcome.kind !== 'unheard') return outcome.kind;
      if (clock.monotonicMs() >= deadlineMs) {
        events.emit('release-failed', outcome.cause, { brokerId: owner, logs: logs.length });
        await fleet.kill(owner);
        return 'owner-gone';
      }
      await sleep(clock, settings.requestRetryMs);
    }
    return 'owner-gone';
  }

  async #askToRelease(owner: number, logs: RequestOf<30000>['logs']): Promise<Outcome> {
    try {
      const answer = await this.#context.brokerRequest(owner, 30000, { logs });
      const refused = answer.logs.find((log) => log.errorCode !== errorCode.none);
      return refused ? { kind: 'refused', cause: refusalText(refused.errorCode) } : { kind: 'released' };
    } catch (cause) {
      return { kind: 'unheard', cause: causeText(cause) };
    }
  }

  #tellPutOff(owner: number, logs: number, cause: string): void {
    const nowMs = this.#context.clock.monotonicMs();
    if (nowMs - (this.#putOffAtMs.get(owner) ?? -Infinity) < putOffToldMs) return;
    this.#putOffAtMs.set(owner, nowMs);
    this.#context.events.emit('moves-put-off', cause, { brokerId: owner, logs });
  }
}

type Outcome =
  | { readonly kind: 'released' }
  /** `cause`: for an operator, if there is one to tell. */
  | { readonly kind: 'refused'; readonly cause: string | undefined }
  | { readonly kind: 'unheard'; readonly cause: string };

function refusalText(code: number): string | undefined {
  // It has taken a log back meanwhile, or its session is over: the next plan knows.
  if (code === errorCode.notLeaderOrFollower) return undefined;
  if (code === errorCode.kafkaStorageError) {
    return 'the owner cannot store what it would give away: its segment store is away or slow, or a disk is full';
  }
  return `the owner answered with error ${code}`;
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
