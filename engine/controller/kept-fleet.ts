/**
 * What operators ask of the fleet, and the duty that does it while this controller has it. One controller keeps the fleet
 * at a time, the owner of shard 0; the duty begins when it learns that it is the one, and is let go when another is.
 */
import { Failure, InvalidRequest } from '../kernel/failure.ts';
import type { ControllerContext } from './context.ts';
import { FleetDuty, type FleetDutyHooks } from './fleet-duty.ts';
import type { ScalingShown } from './fleet-size.ts';
import type { FleetWish } from './fleet-wish.ts';
import type { Repair } from './repair.ts';

/** All but `scaling` throw NotKeeper where another controller keeps the fleet. */
export interface FleetCalls {
  /** Moves everything off and keeps it off. Resolves with how many partitions nobody else could take. */
  drainBroker(brokerId: number): Promise<number>;
  /** Drain, end, start again, fill again: for upgrades. Resolves when the broker serves. */
  restartBroker(brokerId: number): Promise<void>;
  /** Ends a drain: the broker may own partitions again. */
  undrainBroker(brokerId: number): void;
  /** All of them, one after the other. */
  restartBrokers(): Promise<void>;
  /** Ends a broker's process without asking it, and has another in its slot. Resolves when that serves. */
  replaceBroker(brokerId: number): Promise<void>;
  /** How many brokers there should be, and why; undefined where another controller keeps the fleet. */
  scaling(): ScalingShown | undefined;
  /** So many, or as the load says (undefined). A multiple of the zones within the bounds is made of it. */
  scaleFleet(brokers: number | undefined): Promise<ScalingShown>;
  /** Empties a zone and keeps it empty, over restarts too. Resolves with how many partitions nobody else could take. */
  evacuateZone(zone: string): Promise<number>;
  restoreZone(zone: string): Promise<void>;
}

/** Another controller keeps the fleet; ask that one. */
export class NotKeeper extends Failure {
  readonly code = 'not-owner';
  override readonly retryable = true;
}

export class KeptFleet implements FleetCalls {
  readonly #context: ControllerContext;
  readonly #newDuty: () => FleetDuty;
  /** Undefined while another controller keeps the fleet. */
  duty: FleetDuty | undefined;

  constructor(context: ControllerContext, repair: Repair, wish: FleetWish, hooks: FleetDutyHooks) {
    this.#context = context;
    this.#newDuty = () => new FleetDuty(context, repair, wish, hooks);
    context.fleet.onExit((brokerId) => this.duty?.exited(brokerId));
    context.fleet.onHung?.((brokerId, reason) => this.duty?.hung(brokerId, reason));
  }

  /** Resolves when every slot has its keeper. */
  keep(): Promise<void> {
    this.duty = this.#newDuty();
    return this.duty.start();
  }

  /** Nothing is said to the brokers: they serve on for whoever keeps them next. */
  letGo(): void {
    this.duty?.end();
    this.duty = undefined;
  }

  async drainBroker(brokerId: number): Promise<number> {
    return this.#own().drain(brokerId);
  }

  undrainBroker(brokerId: number): void {
    this.#own().undrain(brokerId);
  }

  async restartBroker(brokerId: number): Promise<void> {
    await this.#own().restart(brokerId);
  }

  async restartBrokers(): Promise<void> {
    await this.#own().restartAll();
  }

  async replaceBroker(brokerId: number): Promise<void> {
    await this.#own().replace(brokerId);
  }

  scaling(): ScalingShown | undefined {
    return this.duty?.size.shown();
  }

  async scaleFleet(brokers: number | undefined): Promise<ScalingShown> {
    const { size } = this.#own();
    await size.set(brokers ?? 0);
    return size.shown();
  }

  async evacuateZone(zone: string): Promise<number> {
    this.#assertZone(zone);
    return this.#own().size.evacuate(zone);
  }

  async restoreZone(zone: string): Promise<void> {
    this.#assertZone(zone);
    await this.#own().size.restore(zone);
  }

  #own(): FleetDuty {
    if (!this.duty) throw new NotKeeper('another controller keeps the fleet');
    return this.duty;
  }

  #assertZone(zone: string): void {
    const isKnown = [...this.#context.brokers.all()].some(({ slot }) => slot.zone === zone);
    if (!isKnown) throw new InvalidRequest('zone', `there is no zone ${zone}`);
  }
}
