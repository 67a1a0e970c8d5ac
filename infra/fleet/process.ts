/**
 * Brokers as child processes of this one. The IPC channel is a lifeline in both directions. A child whose parent is gone
 * sees it close and exits; the parent uses it to assign the slot, to ping the child and to stop it gracefully. A process
 * counts as ended when it is reaped: from then on it can write nothing, which is what makes a kill a fence.
 */
import { availableParallelism } from 'node:os';
import { assert } from '../../engine/kernel/assert.ts';
import type { Clock } from '../../engine/kernel/clock.ts';
import type { BrokerSlot, Fleet } from '../../engine/ports.ts';
import { Child, type ChildOptions } from './child.ts';
import { HangWatch } from './hang-watch.ts';
import { Standby } from './standby.ts';

export interface ProcessFleetOptions extends ChildOptions {
  readonly clock: Clock;
  /** Processes that stand by for a slot that has none. */
  readonly spares: number;
}

export type ProcessFleet = Fleet &
  Required<Pick<Fleet, 'standby' | 'prepare' | 'close'>> & {
    /** Loads processes for this many slots before anybody asks for them. */
    loadAhead(count: number): void;
  };

export function processFleet(options: ProcessFleetOptions): ProcessFleet {
  return new RunningFleet(options);
}

const looksPerPing = 2;

class RunningFleet implements ProcessFleet {
  readonly #options: ProcessFleetOptions;
  readonly #standby: Standby;
  readonly #children = new Map<number, Child>();
  readonly #hangs: HangWatch<Child>;
  readonly #exitListeners: ((brokerId: number) => void)[] = [];
  #looks = 0;

  constructor(options: ProcessFleetOptions) {
    const { clock, spares } = options;
    this.#options = options;
    this.#standby = new Standby({ clock, child: options, spares, loadingMax: loadingMax() });
    this.#hangs = new HangWatch({
      clock,
      // Until it serves it may be deep in work; but stopped is stopped.
      answered: ({ isServing, awaitsPong }) => !isServing || !awaitsPong,
      looked: () => this.#ping(),
    });
  }

  loadAhead(count: number): void {
    this.#standby.loadAhead(count);
  }

  standby(brokerId: number): Promise<void> {
    return this.#standby.keep(brokerId);
  }

  prepare(): void {
    this.#standby.prepare();
  }

  /** Resolves when the process exists and knows its slot; rejects when the system refuses to create one. */
  async start(slot: BrokerSlot): Promise<void> {
    const { brokerId } = slot;
    assert(!this.#children.has(brokerId), 'a slot has one process at a time');
    const child = this.#standby.take(brokerId) ?? new Child(this.#options);
    child.onChange = () => undefined;
    await child.spawned;
    this.#children.set(brokerId, child);
    this.#hangs.add(brokerId, child);
    child.assign(slot);
    void child.exited.then(() => {
      this.#children.delete(brokerId);
      this.#hangs.remove(brokerId);
      for (const listener of this.#exitListeners) listener(brokerId);
    });
  }

  async kill(brokerId: number): Promise<void> {
    const child = this.#children.get(brokerId);
    if (!child) return;
    child.kill();
    await child.exited;
  }

  async stop(brokerId: number, graceMs: number): Promise<void> {
    const child = this.#children.get(brokerId);
    if (!child) return;
    child.stop();
    const grace = this.#options.clock.after(graceMs, () => child.kill());
    await child.exited;
    grace.cancel();
  }

  onExit(listener: (brokerId: number) => void): void {
    this.#exitListeners.push(listener);
  }

  onHung(listener: (brokerId: number, reason: string) => void): void {
    this.#hangs.onHung(listener);
  }

  close(): Promise<void> {
    return this.#standby.close();
  }

  /** Pinged less often than checked, because a ping wakes an idle process. */
  #ping(): void {
    if (++this.#looks % looksPerPing > 0) return;
    for (const child of this.#children.values()) if (child.isServing && !child.awaitsPong) child.ping();
  }
}

/**
 * Leaves one core to this process, which recovers meanwhile or loads its doors: the first broker to serve serves
 * everything.
 */
function loadingMax(): number {
  return Math.max(1, availableParallelism() - 1);
}
