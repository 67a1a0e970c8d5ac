/**
 * Carries out what is wanted of single brokers (rows/broker-wish.ts), in the controller that keeps the fleet. Every act can
 * be begun again by whoever keeps the fleet next: a drain finds less to move, and a restart is done once a session later
 * than the one it was asked for serves, whoever ended the old one.
 *
 *   drain    everything to others; done, it stays empty until the wish is taken back
 *   restart  drained, ended, started, and free to be filled again; one after the other, each into an even fleet
 *   replace  for one that is beyond being asked: killed, recovered, its partitions to others, another in its slot
 */
import { sleep } from '../../kernel/clock.ts';
import { ShuttingDown } from '../../kernel/failure.ts';
import type { BrokerView } from './brokers.ts';
import type { ControllerContext } from '../context.ts';
import type { FleetWish, NotedWish } from '../fleet/fleet-wish.ts';
import type { BrokerWish } from '../rows/broker-wish.ts';

export interface BrokerWorkHooks {
  /** Moves everything off; resolves with how many partitions are left, at once when the broker does not serve. */
  drain(brokerId: number, reason: string): Promise<number>;
  /** Asks the process to end. Resolves when it has. */
  stop(brokerId: number): Promise<void>;
  kill(brokerId: number, reason: string): Promise<void>;
  even(): Promise<void>;
  /** Background work whose failure is told. */
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

  /** Begins what is wanted and not under way. For each change, and now and then: what failed is begun again. */
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
        // Something else may be wanted by now. What failed waits for the next occasion.
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
      // What is queued behind a restart that fails goes on; the failure is told by whoever runs it.
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
    // Loading a program takes a core for hundreds of milliseconds, and the others have the slot's share until it serves
    // again: so first a process that only has to be given the slot, then the moves.
    if (!this.#isOver(view, noted)) await this.#context.fleet.standby?.(brokerId);
    if (!this.#isOver(view, noted)) await this.#empty(view, noted);
    if (!this.#isOver(view, noted)) await this.#hooks.stop(brokerId);
    await this.#untilOver(view, noted);
    // The next one in the row finds an even fleet, and what it sheds does not come here to be shed again.
    this.#draining.delete(brokerId);
    await this.#wish.tell(brokerId, noted.version, fulfilled);
    await this.#hooks.even();
  }

  /** A broker that does not serve is waited for, or its recovery gives what it had to others. */
  async #empty(view: BrokerView, noted: NotedWish): Promise<number> {
    const { brokerId } = view.slot;
    this.#context.events.emit('broker-draining', 'asked by an operator', { brokerId });
    for (;;) {
      const left = await this.#hooks.drain(brokerId, 'drain');
      if (left === 0 || view.phase === 'serving' || !this.#isWanted(view, noted)) return left;
      await this.#pause();
    }
  }

  async #untilOver(view: BrokerView, noted: NotedWish): Promise<void> {
    while (!this.#isOver(view, noted)) await this.#pause();
  }

  /** A later session serves; or nobody wants it any more. */
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
