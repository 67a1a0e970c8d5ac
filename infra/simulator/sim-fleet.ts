/**
 * The Fleet port over simulated processes, for one parent: brokers are its children, know when it is gone (their IPC
 * channel closes), and count as ended when they are reaped. Detached ones outlive it, and the next controller adopts them.
 */
import { assert } from '../../engine/kernel/assert.ts';
import type { Random } from '../../engine/kernel/random.ts';
import type { Fleet } from '../../engine/ports.ts';
import { BrokerProcess } from './broker-process.ts';
import type { SimProcess } from './process.ts';
import type { World } from './world.ts';

/** A process that continues with a second's worth of timers and frames before it. */
const orphanLateMsMax = 60;

export class SimFleet implements Fleet {
  readonly children = new Map<number, BrokerProcess>();
  readonly #world: World;
  readonly #parent: SimProcess;
  readonly #random: Random;
  readonly #listeners: ((brokerId: number) => void)[] = [];

  readonly #isDetached: boolean;

  constructor(world: World, parent: SimProcess, isDetached: boolean) {
    this.#world = world;
    this.#isDetached = isDetached;
    this.#parent = parent;
    this.#random = world.random();
    if (!isDetached) parent.onEnd(() => this.#orphan());
  }

  adopt: NonNullable<Fleet['adopt']> = async ({ brokerId }, pid) => {
    const known = this.children.get(brokerId);
    if (known) return known.process.pid === pid;
    const broker = this.#isDetached ? this.#world.brokers.get(pid) : undefined;
    if (!broker || broker.process.isReaped) return false;
    this.#keep(broker);
    return true;
  };

  start: Fleet['start'] = (slot) => {
    const { brokerId } = slot;
    assert(!this.children.has(brokerId), 'a slot has one process at a time');
    return new Promise((resolve) => {
      // Fork and exec.
      this.#parent.post(1, () => {
        const { killsAtStart } = this.#world;
        const loadMs = killsAtStart.get(this.#parent);
        this.#keep(new BrokerProcess(this.#world, slot, loadMs));
        if (killsAtStart.delete(this.#parent)) this.#parent.end('SIGKILL');
        else resolve();
      });
    });
  };

  kill: Fleet['kill'] = (brokerId) => {
    const child = this.children.get(brokerId);
    if (!child) return Promise.resolve();
    this.#world.loop.schedule(0.1, () => child.process.end('SIGKILL'));
    return this.#reaped(child);
  };

  stop: Fleet['stop'] = async (brokerId, graceMs) => {
    const child = this.children.get(brokerId);
    if (!child) return;
    child.stop();
    const grace = this.#parent.clock.after(graceMs, () => child.process.end('SIGKILL after the grace'));
    await this.#reaped(child);
    grace.cancel();
  };

  onExit: Fleet['onExit'] = (listener) => void this.#listeners.push(listener);

  #keep(child: BrokerProcess): void {
    const { brokerId } = child.slot;
    this.children.set(brokerId, child);
    child.process.onReaped(() => {
      this.#parent.post(0.1, () => {
        if (this.children.get(brokerId) === child) this.children.delete(brokerId);
        for (const listener of this.#listeners) listener(brokerId);
      });
    });
  }

  #reaped(child: BrokerProcess): Promise<void> {
    return new Promise((resolve) => child.process.onReaped(() => this.#parent.post(0.1, resolve)));
  }

  /**
   * A stopped child learns of it when it continues, and not immediately: its timers run before it checks its sockets, and
   * this one's end may be the last that it sees, after much that has waited.
   */
  #orphan(): void {
    for (const { process } of this.children.values()) {
      const isBusy = this.#random.u32() % 2 === 0;
      const lateMs = isBusy ? this.#random.u32() % orphanLateMsMax : (this.#random.u32() % 40) / 10;
      process.post(this.#random.u32() % 5, () => process.post(lateMs, () => process.end('orphaned')));
    }
  }
}
