/**
 * Evens out the fleet and empties brokers, by planned moves. One plan at a time: two plans would count the same room
 * twice.
 */
import { sleep } from '../../kernel/clock.ts';
import { rebalance } from '../../placement/rebalance.ts';
import { remap } from '../../placement/remap.ts';
import type { ControllerContext } from '../context.ts';
import { Mover } from './mover.ts';
import { partitionCounts, planPartitions } from './plan-input.ts';

/** A drain whose targets die meanwhile plans again. */
const drainRoundsMax = 20;

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

  /** Moves everything off the broker. Resolves with the number of partitions that nobody else could take. */
  drain(brokerId: number, reason: string): Promise<number> {
    return this.#inTurn(async () => {
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
        if (moves.length > 0 && (await this.#mover.moveAll(moves)) > 0) continue;
        if (moves.length === 0) {
          const known = partitionCounts(this.#context).get(brokerId) ?? 0;
          const left = await shards.countAt(brokerId);
          if (left <= known) return left;
        }
        // Either targets died, or the change feed has not yet delivered rows in the shards of others.
        await sleep(clock, settings.requestRetryMs);
      }
      return shards.countAt(brokerId);
    });
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
