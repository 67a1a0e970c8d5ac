/**
 * systemd: a process that ended is started again, over the same store and the same disks. The one that serves the doors,
 * and the controllers beside it where they are apart.
 */
import { below, type Random } from '../../engine/kernel/random.ts';
import type { BrokerProcess } from './broker-process.ts';
import type { Door } from './door.ts';
import { ParentProcess } from './parent-process.ts';
import type { World } from './world.ts';

export class Supervisor {
  readonly #world: World;
  readonly #door: Door;
  readonly #random: Random;
  parent!: ParentProcess;
  /** Where they are processes of their own. */
  readonly controllers: ParentProcess[] = [];
  isOver = false;

  constructor(world: World, door: Door) {
    this.#world = world;
    this.#door = door;
    this.#random = world.random();
    this.#startParent();
    for (let i = 0; i < world.settings.controllers; i++) this.#startController(i);
  }

  /** The doors' process and all controllers. */
  get parents(): readonly ParentProcess[] {
    return [this.parent, ...this.controllers];
  }

  /** Who decides: the controllers, or the one process that is everything. */
  get deciders(): readonly ParentProcess[] {
    return this.controllers.length > 0 ? this.controllers : [this.parent];
  }

  /** That run at the moment, by slot. */
  brokers(): BrokerProcess[] {
    const alive = [...this.#world.brokers.values()].filter(({ process }) => process.isAlive);
    return alive.sort((a, b) => a.slot.brokerId - b.slot.brokerId);
  }

  #startParent(): void {
    const isApart = this.#world.settings.controllers > 0;
    this.parent = isApart
      ? new ParentProcess(this.#world, 'gateway', 'gateway')
      : new ParentProcess(this.#world, 'all', 'parent');
    this.#door.parent = this.parent;
    this.#again(this.parent, () => this.#startParent());
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
