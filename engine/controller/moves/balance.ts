/** Evening out the fleet and emptying brokers, by planned moves. One plan at a time: two would count the same room twice. */
import { sleep } from '../../kernel/clock.ts';
import { rebalance } from '../../placement/rebalance.ts';
import { remap } from '../../placement/remap.ts';
import type { ControllerContext } from '../context.ts';
import { Mover } from './mover.ts';
import { partitionCounts, planPartitions } from './plan-input.ts';

/** A drain whose targets die under it plans again. */
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
   * Rounds that are asked for while one waits are the same round. Resolves when it is done. A broker that has joined is no
   * noise: for its sake partitions move that have not cooled down.
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
        // Dead ones' partitions are the repair's, not orphans: all slots are listed.
        brokers: brokers.plan(settings.partitionsPerBrokerMax),
        partitions: why === 'balance' ? served : served.map((partition) => ({ ...partition, cooling: false })),
        settings: settings.rebalance,
        reason: why,
      });
      await this.#mover.moveAll(moves);
    });
  }

  /** Moves everything off the broker. Resolves with how many partitions nobody else could take. */
  drain(brokerId: number, reason: string): Promise<number> {
    return this.#inTurn(async () => {
      const { brokers, settings, shards, clock } = this.#context;
      for (let round = 0; round < drainRoundsMax && brokers.isServing(brokerId); round++) {
        // Topics that visitors placed are known after it.
        await shards.barrier();
        const moves = remap({
          // Never to itself, also when it is not known as draining: restarts that were asked for one by one have another order.
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
        // Targets that died, or rows in shards of others that the change feed has not told of yet.
        await sleep(clock, settings.requestRetryMs);
      }
      return shards.countAt(brokerId);
    });
  }

  /** Resolves when what was asked for so far is done. */
  async idle(): Promise<void> {
    await this.#turn;
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(act);
    this.#turn = result.catch(() => undefined);
    return result;
  }
}
