/**
 * Carries out the wishes for single brokers (rows/broker-wish.ts), in the controller that keeps the fleet. The next
 * keeper of the fleet can begin every act again: a drain finds less to move, and a restart is done once a session later
 * than the one it was asked for serves, whoever ended the old one.
 *
 *   drain    moves everything to other brokers; the broker then stays empty until the wish is taken back
 *   restart  drains, stops and starts the broker, then lets it fill again; one at a time, each into an even fleet
 *   replace  for a broker that no longer responds: kills and recovers it, gives its partitions to others, and starts
 *            another in its slot
 */
import { sleep } from '../../kernel/clock.ts';
import { ShuttingDown } from '../../kernel/failure.ts';
import type { BrokerView } from './brokers.ts';
import type { ControllerContext } from '../context.ts';
import type { FleetWish, NotedWish } from '../fleet/fleet-wish.ts';
import type { BrokerWish } from '../rows/broker-wish.ts';

export interface BrokerWorkHooks {
  /**
   * Moves everything off, for as long as `isWanted`. Resolves with the number of partitions left; at once when the broker
   * does not serve.
   */
  drain(brokerId: number, reason: string, isWanted: () => boolean): Promise<number>;
  /** Asks the process to end. Resolves when it has ended. */
  stop(brokerId: number): Promise<void>;
  kill(brokerId: number, reason: string): Promise<void>;
  even(): Promise<void>;
  /** Runs background work and reports its failure. */
  run(act: () => Promise<void>): void;
}

const pollMs = 50;
const fulfilled: BrokerWish = { act: 'none', afterEpoch: 0, isDone: true, left: 0 };

export class BrokerWork {
  readonly #context: ControllerContext;
  readonly #wish: FleetWish;
  readonly #hooks: BrokerWorkHooks;
  readonly #busy = new Set<number>();
  readonly #draining = new Set<number>();
  #restarts: Promise<unknown> = Promise.resolve();

  constructor(context: ControllerContext, wish: FleetWish, hooks: BrokerWorkHooks) {
    this.#context = context;
    this.#wish = wish;
    this.#hooks = hooks;
  }

  /** Begins wishes that are not yet under way. Called on each change and periodically, so failed work begins again. */
  look(): void {
    if (this.#context.isStopping()) return;
    for (const view of this.#context.brokers.all()) {
      const { brokerId } = view.slot;
      this.#noteEndOfDrain(brokerId);
      const noted = this.#wish.ofBroker(brokerId);
      if (!noted || noted.wish.isDone || this.#busy.has(brokerId)) continue;
      this.#busy.add(brokerId);
      this.#hooks.run(async () => {
        let isDone = false;
        try {
          await this.#do(view, noted);
          isDone = true;
        } finally {
          this.#busy.delete(brokerId);
        }
        // Something else may be wanted by now. Failed work waits for the next occasion.
        if (isDone) this.look();
      });
    }
  }

  #noteEndOfDrain(brokerId: number): void {
    if (this.#wish.isDraining(brokerId)) this.#draining.add(brokerId);
    else if (this.#draining.delete(brokerId)) this.#hooks.run(() => this.#hooks.even());
  }

  async #do(view: BrokerView, noted: NotedWish): Promise<void> {
    const { wish, version } = noted;
    const { brokerId } = view.slot;
    if (wish.act === 'drain') {
      const left = await this.#empty(view, noted);
      await this.#wish.tell(brokerId, version, { ...wish, isDone: true, left });
    } else if (wish.act === 'restart') {
      // The queue continues after a failed restart; whoever runs the restart reports its failure.
      const restarted = this.#restarts.then(() => this.#restart(view, noted));
      this.#restarts = restarted.catch(() => undefined);
      await restarted;
    } else if (wish.act === 'replace') {
      if (!this.#isOver(view, noted)) await this.#hooks.kill(brokerId, 'replaced by an operator');
      await this.#untilOver(view, noted);
      await this.#wish.tell(brokerId, version, fulfilled);
    }
  }

  async #restart(view: BrokerView, noted: NotedWish): Promise<void> {
    const { brokerId } = view.slot;
    // Loading a program takes a core for hundreds of milliseconds, and until the slot serves again the other brokers
    // carry its share. So first load a process that only needs to be given the slot, and only then move the partitions.
    if (!this.#isOver(view, noted)) await this.#context.fleet.standby?.(brokerId);
    if (!this.#isOver(view, noted)) await this.#empty(view, noted);
    if (!this.#isOver(view, noted)) await this.#hooks.stop(brokerId);
    await this.#untilOver(view, noted);
    // The next broker in the queue finds an even fleet, so the partitions it sheds do not land here only to be shed
    // again.
    this.#draining.delete(brokerId);
    await this.#wish.tell(brokerId, noted.version, fulfilled);
    await this.#hooks.even();
  }

  /** When the broker does not serve, waits until it does, or until its recovery has given its partitions to others. */
  async #empty(view: BrokerView, noted: NotedWish): Promise<number> {
    const { brokerId } = view.slot;
    this.#context.events.emit('broker-draining', 'requested by an operator', { brokerId });
    for (;;) {
      const left = await this.#hooks.drain(brokerId, 'drain', () => this.#isWanted(view, noted));
      if (left === 0 || view.phase === 'serving' || !this.#isWanted(view, noted)) return left;
      await this.#pause();
    }
  }

  async #untilOver(view: BrokerView, noted: NotedWish): Promise<void> {
    while (!this.#isOver(view, noted)) await this.#pause();
  }

  /** A later session serves, or nobody wants the restart any longer. */
  #isOver(view: BrokerView, noted: NotedWish): boolean {
    if (!this.#isWanted(view, noted)) return true;
    return view.phase === 'serving' && (view.session?.epoch ?? 0) > noted.wish.afterEpoch;
  }

  #isWanted({ slot, wanted }: BrokerView, { version }: NotedWish): boolean {
    return wanted && this.#wish.ofBroker(slot.brokerId)?.version === version;
  }

  async #pause(): Promise<void> {
    if (this.#context.isStopping()) throw new ShuttingDown('the controller stops');
    await sleep(this.#context.clock, pollMs);
  }
}
