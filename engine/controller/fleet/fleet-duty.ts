/**
 * Keeps the fleet: starts, watches, replaces and evens out the brokers. One controller does so at a time, the owner of
 * shard 0. It begins with what it finds (brokers that serve, brokers that died unseen) and ends by letting go, without
 * a message to the brokers. Two controllers may both believe for a while that they keep the fleet. This is safe: every
 * step is conditional on the session row (replace.ts), and a process killed by mistake is replaced like any other.
 */
import { sleep } from '../../kernel/clock.ts';
import { Balance } from '../moves/balance.ts';
import { BrokerWatch } from '../brokers/broker-watch.ts';
import { BrokerWork } from '../brokers/broker-work.ts';
import type { BrokerView } from '../brokers/brokers.ts';
import { learnSlotsNow } from '../brokers/learn-slots.ts';
import type { ControllerContext } from '../context.ts';
import { fencedFleet } from './fenced-fleet.ts';
import { FleetSize } from './fleet-size.ts';
import type { FleetWish } from './fleet-wish.ts';
import type { Repair } from '../moves/repair.ts';
import { SlotKeeper } from '../moves/replace.ts';

export interface FleetDutyHooks {
  /** A slot serves again. Orphans and the balancer may want it. */
  onServing(): void;
  /** Whether the controller's own lease is valid. */
  selfValid(nowMs: number): boolean;
  /** Whether the rows say that this controller keeps the fleet. Absent: no other controller can. */
  stillOurs?(): Promise<boolean>;
  /** Runs background work and reports its failure. */
  run(act: () => Promise<void>): void;
}

export class FleetDuty {
  readonly balance: Balance;
  readonly size: FleetSize;
  readonly #context: ControllerContext;
  readonly #wish: FleetWish;
  readonly #hooks: FleetDutyHooks;
  readonly #work: BrokerWork;
  readonly #repair: Repair;
  readonly #keepers = new Map<number, SlotKeeper>();
  /**
   * Resolves when brokers may start. True: no broker of the previous run serves, and at least one of its sessions had
   * to be recovered, so clients wait for the first broker that serves. Stays pending while no session can be settled.
   */
  readonly begun: Promise<boolean>;
  #begin: (isAfterCrash: boolean) => void = () => undefined;
  isAfterCrash = false;
  #watch: BrokerWatch | undefined;
  #unfollow: (() => void) | undefined;
  #isOver = false;

  constructor(context: ControllerContext, repair: Repair, wish: FleetWish, hooks: FleetDutyHooks) {
    this.begun = new Promise((resolve) => {
      this.#begin = (isAfterCrash) => {
        this.isAfterCrash = isAfterCrash;
        resolve(isAfterCrash);
      };
    });
    const isStopping = (): boolean => this.#isOver || context.isStopping();
    const fleet = hooks.stillOurs ? fencedFleet(context.fleet, () => hooks.stillOurs!()) : context.fleet;
    this.#context = { ...context, fleet, isStopping, persistence: { ...context.persistence, stopped: isStopping } };
    this.#wish = wish;
    this.#hooks = hooks;
    this.#repair = repair;
    this.balance = new Balance(this.#context);
    this.size = new FleetSize(this.#context, wish, {
      drain: (brokerId, reason, isWanted) => this.balance.drain(brokerId, reason, isWanted),
      stop: async (brokerId) => this.#keepers.get(brokerId)?.stop('scale-in'),
      even: () => this.balance.even(),
      run: (act) => hooks.run(act),
    });
    this.#work = new BrokerWork(this.#context, wish, {
      drain: (brokerId, reason, isWanted) => this.balance.drain(brokerId, reason, isWanted),
      stop: async (brokerId) => this.#keepers.get(brokerId)?.stop('restart'),
      kill: async (brokerId, reason) => this.#keepers.get(brokerId)?.kill(reason),
      even: () => this.balance.even(),
      run: (act) => hooks.run(act),
    });
  }

  /** Makes a keeper for every slot, including slots that only other controllers were started with. */
  async #makeKeepers(): Promise<void> {
    await learnSlotsNow(this.#context);
    for (const view of this.#context.brokers.all()) {
      const keeper = new SlotKeeper(this.#context, view, this.#repair, { onServing: () => this.#onServing(view) });
      this.#keepers.set(view.slot.brokerId, keeper);
    }
    // Others may have been given another number. From here on theirs is this one, until somebody changes it.
    const isFirst = this.#context.slotOf !== undefined && this.#wish.version === 0;
    const { isDamaged } = this.#wish;
    if (!isFirst && !isDamaged) return;
    const version = await this.#wish.change(
      (row) => row,
      this.#context.slotOf && (() => this.#context.shards.unchanged(0)),
    );
    if (isDamaged) this.#context.events.emit('row-restored', 'what is wanted of the fleet was damaged', { version });
  }

  /** Resolves when every slot has its keeper. */
  async start(): Promise<void> {
    await this.#makeKeepers();
    const keepers = [...this.#keepers.values()];
    const adopted = await Promise.all(keepers.map((keeper) => keeper.adopt()));
    // When other brokers serve, a dead broker's partitions need not wait for its return.
    const remap = this.#context.brokers.anyServing() === undefined ? 'restart-in-place' : 'remap';
    const settled = keepers.map(async (keeper, i) => !adopted[i] && (await keeper.settleLast(remap)));
    // One session that needed recovery decides for all. The first slots to be settled then start without the others.
    // The other slots' partitions go to a broker that serves, each slot's once it is settled itself.
    const tell = (isRecovered: boolean): void => {
      if (isRecovered && remap === 'restart-in-place') this.#begin(true);
    };
    for (const each of settled) void each.then(tell, ignore);
    for (const [i, keeper] of keepers.entries()) {
      this.#hooks.run(async () => {
        await settled[i];
        // An adopted broker serves, and may end before the sessions of the other slots are settled.
        const isAfterCrash = !adopted[i] && (await this.begun);
        if (!this.#context.isStopping()) await keeper.keep(isAfterCrash);
      });
    }
    // Damage is mended by hand, if at all, so the other slots do not wait for it.
    const orDamaged = keepers.map(({ settlement }, i) =>
      Promise.race([settled[i], settlement.unrecoverable.then(() => true)]),
    );
    const isRecovered = (await Promise.all(orDamaged)).includes(true);
    this.#begin(this.isAfterCrash || (isRecovered && remap === 'restart-in-place'));
    if (this.#context.isStopping()) return;
    this.#watch = new BrokerWatch({
      context: this.#context,
      selfValid: (nowMs) => this.#hooks.selfValid(nowMs),
      kill: async (brokerId, reason) => this.#keepers.get(brokerId)?.kill(reason),
    });
    this.#unfollow = this.#wish.onChange(() => this.look());
    this.look();
    if (adopted.includes(true)) this.#hooks.run(() => this.#evenOnce());
  }

  /**
   * Evens out the fleet once, because nothing records what the previous keeper was about to even out: a restarted
   * broker that was to be filled, or a drain taken back while nobody kept the fleet. Waits until clients have their
   * partitions.
   */
  async #evenOnce(): Promise<void> {
    await sleep(this.#context.clock, this.#repair.openingMs());
    if (!this.#isOver) await this.balance.even();
  }

  /** Carries out wishes for the fleet that are not done yet. Called on each change and periodically. */
  look(): void {
    // Until every slot has its keeper, a serving broker may look as if it did not serve.
    if (!this.#watch || this.#isOver) return;
    this.size.act();
    this.#work.look();
  }

  /** From here on the duty has no effect, except for writes on their way. */
  end(): void {
    this.#isOver = true;
    this.#unfollow?.();
    this.#watch?.stop();
  }

  /** Resolves when no session is being settled and no planned move is under way. */
  async idle(): Promise<void> {
    await Promise.all([this.balance.idle(), ...[...this.#keepers.values()].map(({ settlement }) => settlement.idle())]);
  }

  exited(brokerId: number): void {
    if (!this.#isOver) this.#keepers.get(brokerId)?.exited();
  }

  /** From Fleet.onHung. */
  hung(brokerId: number, reason: string): void {
    if (!this.#isOver) this.#watch?.kill(brokerId, reason);
  }

  /** Partitions placed at a slot whose zone is evacuated do not stay there. */
  #onServing(view: BrokerView): void {
    const { slot } = view;
    const isEvacuated = (): boolean => view.evacuated;
    if (isEvacuated())
      this.#hooks.run(async () => void (await this.balance.drain(slot.brokerId, 'zone-evacuated', isEvacuated)));
    this.#hooks.onServing();
  }
}

/** The failure is reported where the result is awaited. */
function ignore(): void {}
