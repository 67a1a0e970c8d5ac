/**
 * Brokers inside the gateway's process (`--broker-mode in-process`): one hop and one process less for each, for tests,
 * small installations and speed. They cannot be killed one by one: a broker that must end (fenced, EIO, a bug, hung) takes
 * the whole process with it, as SIGKILL does, and the next start recovers every log from disk. A planned restart still
 * concerns only one broker.
 */
import { assert } from '../../engine/kernel/assert.ts';
import type { Clock } from '../../engine/kernel/clock.ts';
import type { BrokerSlot, Fleet } from '../../engine/ports.ts';
import type { RunningBroker } from '../broker/run-broker.ts';

export interface InProcessFleetOptions {
  readonly clock: Clock;
  run(slot: BrokerSlot): Promise<RunningBroker>;
  /** Ends this process at once. */
  readonly die: (brokerId: number, error: unknown) => never;
}

export function inProcessFleet(options: InProcessFleetOptions): Fleet {
  return new InProcessFleet(options);
}

class InProcessFleet implements Fleet {
  readonly #options: InProcessFleetOptions;
  readonly #running = new Map<number, Promise<RunningBroker>>();
  readonly #listeners: ((brokerId: number) => void)[] = [];

  constructor(options: InProcessFleetOptions) {
    this.#options = options;
  }

  /** Resolves before the broker serves: it may wait for its previous session, which the caller has to settle. */
  async start(slot: BrokerSlot): Promise<void> {
    const { brokerId } = slot;
    assert(!this.#running.has(brokerId), 'a slot has one broker at a time');
    const running = this.#options.run(slot);
    this.#running.set(brokerId, running);
    running.catch((error: unknown) => this.#options.die(brokerId, error));
  }

  async kill(brokerId: number): Promise<void> {
    if (this.#running.has(brokerId)) this.#options.die(brokerId, new Error('a broker that must end lives in here'));
  }

  async stop(brokerId: number, graceMs: number): Promise<void> {
    const running = this.#running.get(brokerId);
    if (!running) return;
    const late = new Error(`the broker did not stop within ${graceMs} ms`);
    const grace = this.#options.clock.after(graceMs, () => this.#options.die(brokerId, late));
    try {
      await (await running).stop();
    } catch (error) {
      this.#options.die(brokerId, error);
    }
    grace.cancel();
    this.#running.delete(brokerId);
    for (const listener of this.#listeners) listener(brokerId);
  }

  onExit(listener: (brokerId: number) => void): void {
    this.#listeners.push(listener);
  }
}
