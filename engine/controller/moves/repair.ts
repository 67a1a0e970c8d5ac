/**
 * Gives partitions whose owner cannot serve them another owner, in the shards that this controller owns. Every other
 * controller does the same for its own shards as soon as the broker is recovered. The caller says which broker is
 * recovered. Brokers that die together are planned together, one round at a time, so two rounds never give the same
 * room away twice.
 *
 * Why the barrier before the plan: a creation or a planned move may have chosen the dead broker just before it died,
 * and its write is still on its way. Once every shard's turn has passed, no later write chooses that broker, and the
 * plan sees all.
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
/** A round whose targets die meanwhile plans again. */
const roundsMax = 10;
/**
 * How long new owners need to open logs that clients wait for, on a machine short of CPU. The time from the death until
 * they got the logs shows how short it is.
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
   * Resolves when the broker owns nothing that another could own. The broker must be unable to write: fenced and
   * recovered. Throws the store's failure when it outlasts the wait; call it again.
   */
  async remapDead(brokerId: number): Promise<void> {
    this.#pending.add(brokerId);
    while (this.#pending.has(brokerId)) {
      this.#round ??= this.#runRound().finally(() => (this.#round = undefined));
      await this.#round;
    }
  }

  /**
   * How much longer new owners are probably opening what the last repairs gave them, or a broker is being recovered.
   * Clients wait for that, so other work that needs CPU and can wait should wait. 0 when nothing is expected.
   */
  openingMs(): number {
    return Math.max(0, Math.max(this.#openUntilMs, this.#recoveringUntilMs()) - this.#context.clock.monotonicMs());
  }

  /**
   * When most brokers are dead, clients also wait for those that come back. And a recovery that takes longer may never
   * end.
   */
  #recoveringUntilMs(): number {
    const { brokers } = this.#context;
    if (brokers.fewServe()) return Number.NEGATIVE_INFINITY;
    const recovering = [...brokers.all()].filter(({ phase, recovered }) => phase === 'dead' && !recovered);
    return Math.max(...recovering.map(({ diedAtMs }) => diedAtMs + openMsMaxByDeath));
  }

  /** Places partitions that have no owner, or whose owner's slot has left the fleet. */
  async assignOrphans(): Promise<void> {
    const { brokers, shards } = this.#context;
    await shards.barrier();
    // Called whenever a broker starts to serve, mostly while clients wait for others to open a dead broker's logs.
    // Planning all partitions only to find none to move would take CPU from them.
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
    // A broker that serves again keeps its partitions: this controller may meanwhile keep the fleet, and have adopted
    // it.
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
   * Waits a moment for brokers that died together with these and are still being recovered, so a zone becomes one
   * batch. The wait is too short for a broker that died later, and one that died long before may be waiting for
   * somebody to mend it.
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
   * `unchanged`: conditions on the session of a losing broker as it was when found dead, the same in every round. A
   * commit may be under way for a long time, be repeated after a conflict, or be planned again because a target died:
   *
   *   plan: broker 1 is dead, p goes to 2 ── the commit hangs ── the slot serves again at p, at its old epoch
   *   the commit is refused, because p's row has changed, and repeated ── p is at 2, but broker 1 never released it
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
