/**
 * Requests that are not small wait for their cluster's debt to its rate before they begin, one after the other. Muting a
 * connection after its answer holds back one that repeats heavy requests, but not a thousand connections that send one
 * each. Usual requests are not delayed: their cost is known before and after.
 */
import { sleep } from '../../engine/kernel/clock.ts';
import { Overloaded } from '../../engine/kernel/failure.ts';
import type { GatewayContext } from '../context.ts';

/** Frames that have room for more than some dozens of names. */
export const heavyFrameBytesMin = 1_024;
const waitingMax = 1_000;
const waitMsMax = 30_000;

interface Waiting {
  last: Promise<void>;
  count: number;
}

export class DebtQueue {
  readonly #context: GatewayContext;
  readonly #clusters = new Map<string, Waiting>();

  constructor(context: GatewayContext) {
    this.#context = context;
  }

  /**
   * Undefined: begin at once. A waiting request must begin as soon as it may and not later, so that the next one finds it
   * charged. Throws, or rejects with, Overloaded, and then the connection ends: the request has not been decoded, so nobody
   * knows what its answer would look like.
   */
  turnOf(clusterId: string): Promise<void> | undefined {
    const waiting = this.#clusters.get(clusterId);
    if (!waiting && this.#debtMs(clusterId) === 0) return undefined;
    return this.#queue(clusterId, waiting ?? { last: Promise.resolve(), count: 0 });
  }

  #queue(clusterId: string, waiting: Waiting): Promise<void> {
    if (waiting.count >= waitingMax) throw new Overloaded(`${waitingMax} large requests of the cluster wait`);
    this.#clusters.set(clusterId, waiting);
    waiting.count++;
    const { clock } = this.#context;
    const sinceMs = clock.monotonicMs();
    const turn = waiting.last.then(async () => {
      try {
        const debtMs = this.#debtMs(clusterId);
        if (clock.monotonicMs() + debtMs - sinceMs > waitMsMax) {
          throw new Overloaded('the request waits too long for the rate of its cluster');
        }
        if (debtMs > 0) await sleep(clock, debtMs);
      } finally {
        if (--waiting.count === 0) this.#clusters.delete(clusterId);
      }
    });
    // A request that has waited too long fails by itself.
    waiting.last = turn.catch(() => undefined);
    return turn;
  }

  #debtMs(clusterId: string): number {
    const { tenancy, clock } = this.#context;
    return tenancy.limiter.debt(clusterId, clock.monotonicMs(), 'neither').delayMs;
  }
}
