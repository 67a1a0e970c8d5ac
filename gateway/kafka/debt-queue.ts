/**
 * Requests that are not small wait for what their cluster owes its rate before they are begun, one after the other. A
 * connection is muted after its answer, which holds back one that sends heavy requests again and again, and not a thousand
 * connections that send one each. Usual requests are not kept: what they cost is known before and after.
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
   * Undefined: at once. Who waits must begin when it may and not later, so that the next finds it charged. Throws Overloaded, and
   * rejects with it, for which the connection ends: nobody has read what the request is, and so not what its answer would be.
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
    // One that has waited for too long is its own matter.
    waiting.last = turn.catch(() => undefined);
    return turn;
  }

  #debtMs(clusterId: string): number {
    const { tenancy, clock } = this.#context;
    return tenancy.limiter.debt(clusterId, clock.monotonicMs(), 'neither').delayMs;
  }
}
