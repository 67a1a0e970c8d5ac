/** systemd: a parent process that ended is started again, over the same store and the same disks. */
import { below, type Random } from '../../engine/kernel/random.ts';
import type { Door } from './door.ts';
import { ParentProcess } from './parent-process.ts';
import type { World } from './world.ts';

export class Supervisor {
  readonly #world: World;
  readonly #door: Door;
  readonly #random: Random;
  parent!: ParentProcess;
  isOver = false;

  constructor(world: World, door: Door) {
    this.#world = world;
    this.#door = door;
    this.#random = world.random();
    this.#start();
  }

  #start(): void {
    const parent = new ParentProcess(this.#world);
    this.parent = parent;
    this.#door.parent = parent;
    parent.process.onEnd(() => {
      if (!this.isOver) this.#world.loop.schedule(20 + below(this.#random, 500), () => this.#start());
    });
  }
}
