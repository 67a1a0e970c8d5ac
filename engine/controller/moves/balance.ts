/**
 * Evens out the fleet and empties brokers, by planned moves. One plan at a time: two plans would count the same room
 * twice.
 */
import { sleep } from '../../kernel/clock.ts';
import { ShuttingDown } from '../../kernel/failure.ts';
import { rebalance } from '../../placement/rebalance.ts';
import { remap } from '../../placement/remap.ts';
import type { ControllerContext } from '../context.ts';
import { Mover } from './mover.ts';
import { partitionCounts, planPartitions } from './plan-input.ts';

/** A drain whose targets die meanwhile plans again. */
const drainRoundsMax = 20;
/** The longest pause before a drain that was put off begins again. */
const putOffMsMax = 5_000;

interface Drained {
  readonly left: number;
  /** The broker could not release its logs, and serves them. */
  readonly isPutOff: boolean;
}

type EvenReason = 'balance' | 'broker-joined';

export class Balance {
  readonly #context: ControllerContext;
  readonly #mover: Mover;
  #turn: Promise<unknown> = Promise.resolve();
  #waiting: EvenReason | undefined;

  constructor(context: ControllerContext) {
    this.#context = context;
    this.#mover = new Mover(context);
  }

  /**
   * Requests made while a round is waiting share that round. Resolves when it is done. A newly joined broker is a real
   * change, not noise, so partitions that have not cooled down move for it too.
   */
  async even(reason: EvenReason = 'balance'): Promise<void> {
    if (this.#waiting) {
      if (reason === 'broker-joined') this.#waiting = reason;
      await this.#turn;
      return;
    }
    this.#waiting = reason;
    await this.#inTurn(async () => {
      const why = this.#waiting ?? reason;
      this.#waiting = undefined;
      const { brokers, settings } = this.#context;
      const served = planPartitions(this.#context, 'all').filter(({ brokerId }) => brokers.isServing(brokerId));
      const moves = rebalance({
        // Lists all slots, because partitions of dead brokers are the repair's, not orphans.
        brokers: brokers.plan(settings.partitionsPerBrokerMax),
        partitions: why === 'balance' ? served : served.map((partition) => ({ ...partition, cooling: false })),
        settings: settings.rebalance,
        reason: why,
      });
      await this.#mover.moveAll(moves);
    });
  }

  /**
   * Moves everything off the broker. Resolves with the number of partitions that nobody else could take. While the broker
   * cannot release its logs, the drain is put off, for as long as it is wanted; other moves go on meanwhile.
   */
  async drain(brokerId: number, reason: string, isWanted: () => boolean = () => true): Promise<number> {
    const { clock, settings } = this.#context;
    for (let pauseMs = settings.requestRetryMs; ; pauseMs = Math.min(putOffMsMax, 2 * pauseMs)) {
      const { left, isPutOff } = await this.#inTurn(() => this.#drain(brokerId, reason));
      if (!isPutOff || !isWanted()) return left;
      if (this.#context.isStopping()) throw new ShuttingDown('the controller stops');
      await sleep(clock, pauseMs);
    }
  }

  async #drain(brokerId: number, reason: string): Promise<Drained> {
    const { brokers, settings, shards, clock } = this.#context;
    for (let round = 0; round < drainRoundsMax && brokers.isServing(brokerId); round++) {
      // The barrier makes topics that visitors placed known.
      await shards.barrier();
      const moves = remap({
        // Never move to the broker itself, even when it does not count as draining: the wish counts the lowest id as
        // next to restart, but restarts requested one by one run in the order of the requests.
        brokers: brokers
          .plan(settings.partitionsPerBrokerMax)
          .map((broker) => (broker.brokerId === brokerId ? { ...broker, draining: true } : broker)),
        partitions: planPartitions(this.#context, 'all'),
        orphanReason: (partition) => (partition.brokerId === brokerId ? reason : undefined),
      });
      const { moved, putOff } = await this.#mover.moveAll(moves);
      if (putOff > 0) return { left: await shards.countAt(brokerId), isPutOff: true };
      if (moved > 0) continue;
      if (moves.length === 0) {
        const known = partitionCounts(this.#context).get(brokerId) ?? 0;
        const left = await shards.countAt(brokerId);
        if (left <= known) return { left, isPutOff: false };
      }
      // Either targets died, or the change feed has not yet delivered rows in the shards of others.
      await sleep(clock, settings.requestRetryMs);
    }
    return { left: await shards.countAt(brokerId), isPutOff: false };
  }

  /** Resolves when everything requested so far is done. */
  async idle(): Promise<void> {
    await this.#turn;
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(act);
    this.#turn = result.catch(() => undefined);
    return result;
  }
}
