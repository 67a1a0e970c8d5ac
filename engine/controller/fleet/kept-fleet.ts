/**
 * The fleet's duty, while this controller has it. One controller keeps the fleet at a time, the owner of shard 0; the duty
 * begins when it learns that it is the one, and is let go when another is.
 */
import type { ControllerContext } from '../context.ts';
import { FleetDuty, type FleetDutyHooks } from './fleet-duty.ts';
import type { FleetWish } from './fleet-wish.ts';
import type { Repair } from '../moves/repair.ts';

export class KeptFleet {
  readonly #newDuty: () => FleetDuty;
  /** Undefined while another controller keeps the fleet. */
  duty: FleetDuty | undefined;

  constructor(context: ControllerContext, repair: Repair, wish: FleetWish, hooks: FleetDutyHooks) {
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
}
