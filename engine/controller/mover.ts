/**
 * Planned moves: the owner releases the logs (stops accepting, rolls their tails into segments), and only then is the new
 * owner written. A released log is opened again only at a higher leader epoch, so once the owner has said yes a new epoch
 * must follow: for the target or, when the target is gone meanwhile, for the owner itself.
 *
 * No answer leaves the outcome open. The release is repeated (a log that the owner does not have counts as released) until
 * it answers or is dead; an owner that is alive by its lease and does not answer within the wait is killed: recovery is
 * the one path that needs nobody's word.
 */
import { sleep } from '../kernel/clock.ts';
import type { PlanMove } from '../placement/constraints.ts';
import { commitMoves } from './commit-moves.ts';
import { causeText, type ControllerContext } from './context.ts';

export class Mover {
  readonly #context: ControllerContext;

  constructor(context: ControllerContext) {
    this.#context = context;
  }

  /** Resolves with how many partitions changed owner. Moves whose owner died are left to its recovery. */
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
    const { brokers } = this.#context;
    // Asked before the release as well: a target that is gone already costs the clients no pause.
    const open = moves.filter((move) => brokers.mayOwn(move.to));
    const released = await this.#release(open);
    if (released.length === 0) return 0;
    const { moved, refused } = await commitMoves(this.#context, released, (move) => brokers.mayOwn(move.to));
    const back = refused.map((move) => ({ ...move, to: move.from }));
    if (back.length > 0) await commitMoves(this.#context, back, (move) => brokers.isServing(move.to));
    return moved;
  }

  /** The moves whose logs the owner has released. All of one owner. */
  async #release(moves: readonly PlanMove[]): Promise<PlanMove[]> {
    const owner = moves[0]?.from;
    if (owner === undefined) return [];
    const { brokers, clock, settings, brokerRequest, events, fleet } = this.#context;
    const session = brokers.get(owner)?.session?.epoch;
    const logs = moves.map(({ topicId, partition }) => ({ topicId, partition }));
    const deadlineMs = clock.monotonicMs() + settings.releaseWaitMsMax;
    while (brokers.isServing(owner) && brokers.get(owner)?.session?.epoch === session) {
      try {
        const answer = await brokerRequest(owner, 30000, { logs });
        const ok = new Set(answer.logs.filter((log) => log.errorCode === 0).map((l) => `${l.partition} ${l.topicId}`));
        return moves.filter((move) => ok.has(`${move.partition} ${move.topicId}`));
      } catch (cause) {
        if (clock.monotonicMs() >= deadlineMs) {
          events.emit('broker-silent', 'no answer to a release', { brokerId: owner, cause: causeText(cause) });
          await fleet.kill(owner);
          return [];
        }
      }
      await sleep(clock, settings.requestRetryMs);
    }
    return [];
  }
}

/** Of one owner each, in the order of the moves. */
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
