/** All gateways as clients find them. Where there is one, every client is at it. */
import { below, seededRandom, type Random } from '../../engine/kernel/random.ts';
import { Door, type noAnswer } from './door.ts';
import type { ParentProcess } from './parent-process.ts';
import type { World } from './world.ts';

/** A client that need not stay moves to another gateway one in this many times. */
const leaveOneOf = 3;

export class Doors {
  readonly all: readonly Door[];
  readonly #world: World;
  #clients = 0;

  constructor(world: World) {
    this.#world = world;
    this.all = Array.from({ length: world.settings.gateways }, (_, gateway) => new Door(world, gateway));
  }

  get first(): Door {
    return this.all[0]!;
  }

  areOpen(): boolean {
    return this.all.every((door) => door.isOpen());
  }

  /** For a client that keeps to one gateway, and needs its requests in one order: the next one in turn. */
  one(): Door {
    return this.all[this.#clients++ % this.all.length]!;
  }

  /** For a client that moves from one to another: sometimes, and when it is not answered. */
  any(): Door {
    const { seed } = this.#world.settings;
    if (this.all.length === 1) return this.first;
    return new AnyDoor(this.all, seededRandom(Math.imul(seed + 1, 0x2c1b3c6d) ^ this.#clients++));
  }
}

/** Leads to no gateway itself: `next` does. */
class AnyDoor extends Door {
  readonly #all: readonly Door[];
  readonly #draws: Random;
  #at: Door;

  constructor(all: readonly Door[], random: Random) {
    super(all[0]!.world);
    this.#all = all;
    this.#draws = random;
    this.#at = all[below(random, all.length)]!;
  }

  override isOpen(): boolean {
    return this.#all.some((door) => door.isOpen());
  }

  override next(): Door {
    const isGood = (door: Door): boolean => door.isOpen() && door.shunnedUntilMs <= this.world.loop.nowMs;
    const good = this.#all.filter(isGood);
    const leaves = !good.includes(this.#at) || below(this.#draws, leaveOneOf) === 0;
    if (leaves && good.length > 0) this.#at = good[below(this.#draws, good.length)]!;
    return this.#at;
  }

  override call<T>(
    ask: (parent: ParentProcess, answer: (value: T) => void) => void,
    told: (value: T | typeof noAnswer) => void,
    waitMs?: number,
    lateMs?: number,
  ): void {
    this.next().call(ask, told, waitMs, lateMs);
  }
}
