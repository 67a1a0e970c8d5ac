/**
 * Partitions whose owner cannot serve them get another, in the shards that this controller owns; every other controller
 * does the same for its own as soon as the broker is recovered. Callers say which broker is recovered; what dies together is
 * planned together, one round at a time, so that two rounds never give the same room away twice.
 *
 * Why the barrier before the plan: a creation or a planned move may have chosen the dead broker just before it died, and
 * its write is still on its way. Once every shard's turn has passed, no later write chooses it, and the plan sees all.
 */
import { sleep } from '../kernel/clock.ts';
import { type PlanPartition } from '../placement/constraints.ts';
import { remap } from '../placement/remap.ts';
import { commitMoves } from './commit-moves.ts';
import type { ControllerContext } from './context.ts';
import { partitionCounts, planPartitions } from './plan-input.ts';

const waitStepMs = 5;
/** A round whose targets die under it plans again. */
const roundsMax = 10;

export class Repair {
  readonly #context: ControllerContext;
  readonly #pending = new Set<number>();
  #round: Promise<void> | undefined;

  constructor(context: ControllerContext) {
    this.#context = context;
  }

  /**
   * Resolves when the broker owns nothing that another could own. It must be unable to write: fenced and recovered. Throws
   * the store's failure when it outlasts the wait; call it again.
   */
  async remapDead(brokerId: number): Promise<void> {
    this.#pending.add(brokerId);
    while (this.#pending.has(brokerId)) {
      this.#round ??= this.#runRound().finally(() => (this.#round = undefined));
      await this.#round;
    }
  }

  /** Partitions that nobody owns, or whose owner is no slot of the fleet any more. */
  async assignOrphans(): Promise<void> {
    const { brokers, shards } = this.#context;
    await shards.barrier();
    // Asked whenever a broker serves, mostly while clients wait for others to open what a dead one had: a plan of all
    // partitions that finds none to move would take the core from them.
    const owners = partitionCounts(this.#context, 'held').keys();
    if ([...owners].every((brokerId) => brokers.get(brokerId))) return;
    await this.#remap((partition) => (brokers.get(partition.brokerId) ? undefined : 'created'), 'orphans');
  }

  async #runRound(): Promise<void> {
    await this.#waitForOthers();
    await this.#context.shards.barrier();
    const dead = new Set(this.#pending);
    const reasons = new Map([...dead].map((brokerId) => [brokerId, this.#reasonOf(brokerId)]));
    await this.#remap((partition) => reasons.get(partition.brokerId), [...dead].join(' '));
    for (const brokerId of dead) this.#pending.delete(brokerId);
  }

  /** Brokers that died with these and are still being recovered, for a moment: a zone is one batch. */
  async #waitForOthers(): Promise<void> {
    const { clock, settings, brokers } = this.#context;
    const deadlineMs = clock.monotonicMs() + settings.remapWaitMsMax;
    const isAwaited = (): boolean => [...brokers.all()].some((view) => view.phase === 'dead' && !view.recovered);
    while (isAwaited() && clock.monotonicMs() < deadlineMs) await sleep(clock, waitStepMs);
  }

  #reasonOf(brokerId: number): string {
    const { brokers, clock, settings } = this.#context;
    const zone = brokers.get(brokerId)?.slot.zone ?? '';
    return brokers.isZoneDown(zone, clock.monotonicMs(), settings.zoneWindowMs) ? 'zone-dead' : 'broker-dead';
  }

  async #remap(orphanReason: (partition: PlanPartition) => string | undefined, whose: string): Promise<void> {
    const { brokers, settings, events } = this.#context;
    for (let round = 0; round < roundsMax; round++) {
      const partitions = planPartitions(this.#context, 'held');
      const moves = remap({ brokers: brokers.plan(settings.partitionsPerBrokerMax), partitions, orphanReason });
      if (moves.length === 0) return;
      const { moved, refused } = await commitMoves(this.#context, moves, { mayOwn: (move) => brokers.mayOwn(move.to) });
      if (moved > 0) events.emit('partitions-moved', moves[0]!.reason, { partitions: moved, from: whose });
      if (refused.length === 0) return;
    }
  }
}
