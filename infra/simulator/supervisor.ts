/**
 * Plays systemd: restarts a process that ended, over the same store and the same disks. It supervises the process that
 * serves the doors, and the controllers beside it where they are separate.
 */
import { below, type Random } from '../../engine/kernel/random.ts';
import type { BrokerProcess } from './broker-process.ts';
import type { Doors } from './doors.ts';
import { ParentProcess } from './parent-process.ts';
import type { World } from './world.ts';

export class Supervisor {
  readonly #world: World;
  readonly #doors: Doors;
  readonly #random: Random;
  /** Each gateway behind the door of its number. */
  readonly gateways: ParentProcess[] = [];
  /** The controllers, if they are separate processes. */
  readonly controllers: ParentProcess[] = [];
  isOver = false;

  constructor(world: World, doors: Doors) {
    this.#world = world;
    this.#doors = doors;
    this.#random = world.random();
    for (const { gateway } of doors.all) this.#startGateway(gateway);
    for (let i = 0; i < world.settings.controllers; i++) this.#startController(i);
  }

  /** The first of the gateways, or the only one. */
  get parent(): ParentProcess {
    return this.gateways[0]!;
  }

  get doors(): Doors {
    return this.#doors;
  }

  /** The gateways' processes and all controllers. */
  get parents(): readonly ParentProcess[] {
    return [...this.gateways, ...this.controllers];
  }

  /** The deciding processes: the controllers, or the one process with all roles. */
  get deciders(): readonly ParentProcess[] {
    return this.controllers.length > 0 ? this.controllers : [this.parent];
  }

  /** The running ones, by slot. */
  brokers(): BrokerProcess[] {
    const alive = [...this.#world.brokers.values()].filter(({ process }) => process.isAlive);
    return alive.sort((a, b) => a.slot.brokerId - b.slot.brokerId);
  }

  #startGateway(index: number): void {
    const isApart = this.#world.settings.controllers > 0;
    const name = index === 0 ? 'gateway' : `gateway ${index + 1}`;
    const gateway = isApart
      ? new ParentProcess(this.#world, 'gateway', name)
      : new ParentProcess(this.#world, 'all', 'parent');
    this.gateways[index] = gateway;
    this.#doors.all[index]!.parent = gateway;
    this.#again(gateway, () => this.#startGateway(index));
  }

  #startController(index: number): void {
    const controller = new ParentProcess(this.#world, 'controller', `controller ${index + 1}`);
    this.controllers[index] = controller;
    this.#again(controller, () => this.#startController(index));
  }

  #again({ process }: ParentProcess, start: () => void): void {
    process.onEnd(() => {
      if (!this.isOver) this.#world.loop.schedule(20 + below(this.#random, 500), start);
    });
  }
}
