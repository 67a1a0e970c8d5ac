/**
 * Partitions whose owner cannot serve them get another, in the shards that this controller owns; every other controller
 * does the same for its own as soon as the broker is recovered. Callers say which broker is recovered; what dies together is
 * planned together, one round at a time, so that two rounds never give the same room away twice.
 *
 * Why the barrier before the plan: a creation or a planned move may have chosen the dead broker just before it died, and
 * its write is still on its way. Once every shard's turn has passed, no later write chooses it, and the plan sees all.
 */
import { sleep } from '../../kernel/clock.ts';
import type { PlanPartition } from '../../placement/constraints.ts';
import { remap } from '../../placement/remap.ts';
import type { StoreOp } from '../../ports.ts';
import type { BrokerView } from '../brokers/brokers.ts';
import { learnSlotsNow } from '../brokers/learn-slots.ts';
import { commitMoves } from './commit-moves.ts';
import type { ControllerContext } from '../context.ts';
import { brokerSessionKey } from '../rows/broker-session.ts';
import { partitionCounts, planPartitions } from './plan-input.ts';

const waitStepMs = 5;
/** A round whose targets die under it plans again. */
const roundsMax = 10;
/**
 * What new owners need to open logs that somebody waits for, on a machine that is short of cores. How short it is says the time
 * from the death until they got them.
 */
const openMsMin = 100;
const openMsMaxByDeath = 400;
const openMsPerPartition = 0.5;
const openMsMax = 3000;

export class Repair {
  readonly #context: ControllerContext;
  readonly #pending = new Set<number>();
  #round: Promise<void> | undefined;
  #openUntilMs = Number.NEGATIVE_INFINITY;

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

  /**
   * For how long new owners are probably still opening what the last repairs gave them, or somebody is being recovered: clients
   * wait for that, so whatever takes the cores and can wait does. 0 when there is no such time.
   */
  openingMs(): number {
    return Math.max(0, Math.max(this.#openUntilMs, this.#recoveringUntilMs()) - this.#context.clock.monotonicMs());
  }

  /** Where most are dead those that come back are waited for as well. And what takes longer may not end at all. */
  #recoveringUntilMs(): number {
    const { brokers } = this.#context;
    if (brokers.fewServe()) return Number.NEGATIVE_INFINITY;
    const recovering = [...brokers.all()].filter(({ phase, recovered }) => phase === 'dead' && !recovered);
    return Math.max(...recovering.map(({ diedAtMs }) => diedAtMs + openMsMaxByDeath));
  }

  /** Partitions that nobody owns, or whose owner is no slot of the fleet any more. */
  async assignOrphans(): Promise<void> {
    const { brokers, shards } = this.#context;
    await shards.barrier();
    // Asked whenever a broker serves, mostly while clients wait for others to open what a dead one had: a plan of all
    // partitions that finds none to move would take the core from them.
    const owners = partitionCounts(this.#context, 'held').keys();
    if ([...owners].every((brokerId) => brokers.get(brokerId))) return;
    const sessions = new Map((await learnSlotsNow(this.#context)).map((row) => [Number(row.sk), row.version]));
    const unchanged = (brokerId: number): StoreOp[] => {
      const version = sessions.get(brokerId);
      return version === undefined ? [] : [{ op: 'check', key: brokerSessionKey(brokerId), if: { version } }];
    };
    const isOrphan = ({ brokerId }: PlanPartition): boolean => !brokers.get(brokerId);
    const reason = (partition: PlanPartition): string | undefined => (isOrphan(partition) ? 'created' : undefined);
    await this.#remap(reason, 'orphans', this.#context.clock.monotonicMs(), unchanged);
  }

  async #runRound(): Promise<void> {
    await this.#waitForOthers();
    await this.#context.shards.barrier();
    const dead = new Set(this.#pending);
    // Whoever serves again keeps what it has: this controller may have come to keep the fleet, and adopted it, meanwhile.
    const { brokers } = this.#context;
    const losing = [...dead].filter((brokerId) => !brokers.isServing(brokerId));
    const found = new Map(losing.map((brokerId) => [brokerId, brokers.unchanged([brokerId])]));
    const reasons = new Map(losing.map((brokerId) => [brokerId, this.#reasonOf(brokerId)]));
    const diedAtMs = Math.max(...losing.map((brokerId) => brokers.get(brokerId)?.diedAtMs ?? -Infinity));
    const reason = ({ brokerId }: PlanPartition): string | undefined =>
      brokers.isServing(brokerId) ? undefined : reasons.get(brokerId);
    await this.#remap(reason, losing.join(' '), diedAtMs, (brokerId) => found.get(brokerId) ?? []);
    for (const brokerId of dead) this.#pending.delete(brokerId);
  }

  /**
   * Brokers that died with these and are still being recovered, for a moment: a zone is one batch. For one that died later the
   * moment is too short, and one that died long before may wait for somebody to mend it.
   */
  async #waitForOthers(): Promise<void> {
    const { clock, settings, brokers } = this.#context;
    const { remapWaitMsMax } = settings;
    const deadlineMs = clock.monotonicMs() + remapWaitMsMax;
    const all = [...brokers.all()];
    const died = all.filter(({ slot }) => this.#pending.has(slot.brokerId)).map(({ diedAtMs }) => diedAtMs);
    const isAwaited = ({ phase, recovered, diedAtMs }: BrokerView): boolean =>
      phase === 'dead' && !recovered && died.some((atMs) => Math.abs(diedAtMs - atMs) <= remapWaitMsMax);
    while (all.some(isAwaited) && clock.monotonicMs() < deadlineMs) await sleep(clock, waitStepMs);
  }

  #reasonOf(brokerId: number): string {
    const { brokers, clock, settings } = this.#context;
    const zone = brokers.get(brokerId)?.slot.zone ?? '';
    return brokers.isZoneDown(zone, clock.monotonicMs(), settings.zoneWindowMs) ? 'zone-dead' : 'broker-dead';
  }

  /**
   * `unchanged`: conditions on the session of one that loses, as it was when it was found dead, in every round. A commit may be a long
   * time under way, and be repeated after a conflict, or be planned anew because a target has died:
   *
   *   plan: broker 1 is dead, p goes to 2 ── the commit hangs ── the slot serves again at p, at its old epoch
   *   the commit is refused, because p's row has changed, and repeated ── p is at 2, broker 1 was never asked to release it
   */
  async #remap(
    orphanReason: (partition: PlanPartition) => string | undefined,
    whose: string,
    diedAtMs: number,
    unchanged: (brokerId: number) => readonly StoreOp[],
  ): Promise<void> {
    const { brokers, settings, events, clock } = this.#context;
    for (let round = 0; round < roundsMax; round++) {
      const partitions = planPartitions(this.#context, 'held');
      const moves = remap({ brokers: brokers.plan(settings.partitionsPerBrokerMax), partitions, orphanReason });
      if (moves.length === 0) return;
      const { moved, refused } = await commitMoves(this.#context, moves, {
        mayOwn: (move) => brokers.mayOwn(move.to),
        unchanged: (losers) => [...losers].flatMap(unchanged),
      });
      const nowMs = clock.monotonicMs();
      const sinceDeathMs = Math.min(openMsMaxByDeath, nowMs - diedAtMs);
      const openMs = Math.min(openMsMax, Math.max(openMsMin, sinceDeathMs) + moved * openMsPerPartition);
      if (moved > 0) this.#openUntilMs = Math.max(this.#openUntilMs, nowMs + openMs);
      if (moved > 0) events.emit('partitions-moved', moves[0]!.reason, { partitions: moved, from: whose });
      if (refused.length === 0) return;
    }
  }
}
