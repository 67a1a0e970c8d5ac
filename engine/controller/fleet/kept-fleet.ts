/**
 * The fleet duty, while this controller has it. One controller keeps the fleet at a time, the owner of shard 0. The
 * duty begins when the controller learns that it owns shard 0, and is let go when another does.
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

  /** Sends nothing to the brokers: they keep serving for the next keeper. */
  letGo(): void {
    this.duty?.end();
    this.duty = undefined;
  }
}
