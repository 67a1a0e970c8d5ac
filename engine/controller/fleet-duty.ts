/**
 * Keeping the fleet: starting, watching, replacing and evening out the brokers. One controller does it at a time, the
 * owner of shard 0; it begins with what it finds (brokers that serve, brokers that died unseen) and ends by letting go,
 * without a word to the brokers. Two may believe for a while that it is theirs: every step is conditional on the session
 * row (replace.ts), and a process that is killed by mistake is replaced like any other.
 */
import { sleep } from '../kernel/clock.ts';
import { InvalidRequest, ShuttingDown } from '../kernel/failure.ts';
import { Balance } from './balance.ts';
import { BrokerWatch } from './broker-watch.ts';
import type { BrokerView } from './brokers.ts';
import type { ControllerContext } from './context.ts';
import { FleetSize } from './fleet-size.ts';
import type { FleetWish } from './fleet-wish.ts';
import type { Repair } from './repair.ts';
import { SlotKeeper } from './replace.ts';

export interface FleetDutyHooks {
  /** A slot serves again: orphans and balance may want it. */
  onServing(): void;
  /** Whether the controller's own lease is valid. */
  selfValid(nowMs: number): boolean;
  /** Background work whose failure is told. */
  run(act: () => Promise<void>): void;
}

const settlePollMs = 50;

export class FleetDuty {
  readonly balance: Balance;
  readonly size: FleetSize;
  readonly #context: ControllerContext;
  readonly #hooks: FleetDutyHooks;
  readonly #keepers = new Map<number, SlotKeeper>();
  /** All brokers of the run before ended without order: clients wait for the first that serves. */
  isAfterCrash = false;
  #watch: BrokerWatch | undefined;
  #isOver = false;

  constructor(context: ControllerContext, repair: Repair, wish: FleetWish, hooks: FleetDutyHooks) {
    const isStopping = (): boolean => this.#isOver || context.isStopping();
    this.#context = { ...context, isStopping, persistence: { ...context.persistence, stopped: isStopping } };
    this.#hooks = hooks;
    this.balance = new Balance(this.#context);
    this.size = new FleetSize(this.#context, wish, {
      drain: (brokerId, reason) => this.balance.drain(brokerId, reason),
      stop: async (brokerId) => this.#keepers.get(brokerId)?.stop('scale-in'),
      even: () => this.balance.even(),
    });
    for (const view of context.brokers.all()) {
      const keeper = new SlotKeeper(this.#context, view, repair, { onServing: () => hooks.onServing() });
      this.#keepers.set(view.slot.brokerId, keeper);
    }
  }

  /** Resolves when every slot has its keeper. */
  async start(): Promise<void> {
    const keepers = [...this.#keepers.values()];
    const adopted = await Promise.all(keepers.map((keeper) => keeper.adopt()));
    // Beside brokers that serve, what the dead ones had need not wait for their return.
    const remap = this.#context.brokers.anyServing() === undefined ? 'restart-in-place' : 'remap';
    const last = keepers.filter((_, i) => !adopted[i]).map((keeper) => keeper.settleLast(remap));
    const isRecovered = (await Promise.all(last)).includes(true);
    if (this.#context.isStopping()) return;
    this.isAfterCrash = isRecovered && remap === 'restart-in-place';
    for (const keeper of keepers) this.#hooks.run(() => keeper.keep(this.isAfterCrash));
    this.#watch = new BrokerWatch({
      context: this.#context,
      selfValid: (nowMs) => this.#hooks.selfValid(nowMs),
      kill: async (brokerId, reason) => this.#keepers.get(brokerId)?.kill(reason),
    });
  }

  /** Nothing of it has an effect from here on, but for writes on their way. */
  end(): void {
    this.#isOver = true;
    this.#watch?.stop();
  }

  /** Resolves when no session is being settled and no planned move is under way any more. */
  async idle(): Promise<void> {
    await Promise.all([this.balance.idle(), ...[...this.#keepers.values()].map((keeper) => keeper.idle())]);
  }

  exited(brokerId: number): void {
    if (!this.#isOver) this.#keepers.get(brokerId)?.exited();
  }

  /** From Fleet.onHung. */
  hung(brokerId: number, reason: string): void {
    if (!this.#isOver) this.#watch?.kill(brokerId, reason);
  }

  drain(brokerId: number): Promise<number> {
    this.#viewOf(brokerId).draining = true;
    this.#context.events.emit('broker-draining', 'asked by an operator', { brokerId });
    return this.balance.drain(brokerId, 'drain');
  }

  undrain(brokerId: number): void {
    this.#viewOf(brokerId).draining = false;
    this.#hooks.run(() => this.balance.even());
  }

  async restart(brokerId: number): Promise<void> {
    const view = this.#viewOf(brokerId);
    const epoch = view.session?.epoch ?? 0;
    try {
      await this.drain(brokerId);
      await this.#keepers.get(brokerId)!.stop('restart');
      await this.#untilServing(view, epoch);
    } finally {
      this.undrain(brokerId);
    }
  }

  /** One after the other: the next waits until the last one serves and the fleet is even again. */
  async restartAll(): Promise<void> {
    for (const view of this.#context.brokers.all()) {
      if (!view.wanted || view.phase !== 'serving') continue;
      await this.restart(view.slot.brokerId);
      await this.balance.even();
    }
  }

  /** For a broker that is beyond being asked: killed, recovered, its partitions to others, another in its slot. */
  async replace(brokerId: number): Promise<void> {
    const view = this.#viewOf(brokerId);
    const epoch = view.session?.epoch ?? 0;
    await this.#keepers.get(brokerId)!.kill('replaced by an operator');
    await this.#untilServing(view, epoch);
  }

  async #untilServing(view: BrokerView, epoch: number): Promise<void> {
    while (view.phase !== 'serving' || (view.session?.epoch ?? 0) <= epoch) {
      if (this.#context.isStopping()) throw new ShuttingDown('the controller stops');
      await sleep(this.#context.clock, settlePollMs);
    }
  }

  #viewOf(brokerId: number): BrokerView {
    const view = this.#context.brokers.get(brokerId);
    if (!view) throw new InvalidRequest('brokerId', `there is no broker ${brokerId}`);
    return view;
  }
}
