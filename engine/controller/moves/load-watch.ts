/**
 * Asks every serving broker for its load. One question at a time per broker: a broker that has not answered is not
 * asked again meanwhile. A broker that left the fleet (scale-in) is no longer asked; its last report fades as if it
 * were idle, unless another broker reports the partition. A dead broker's last report stays until its slot serves
 * again, because plans rely on it.
 */
import { Failure } from '../../kernel/failure.ts';
import { isPart } from '../brokers/brokers.ts';
import type { ControllerContext } from '../context.ts';

export class LoadWatch {
  readonly #context: ControllerContext;
  readonly #asking = new Set<number>();

  constructor(context: ControllerContext) {
    this.#context = context;
  }

  /** Resolves at once; answers are taken as they arrive. */
  async askAll(): Promise<void> {
    const { brokers, loads, settings } = this.#context;
    const left = new Set<number>();
    for (const view of brokers.all()) {
      const { brokerId } = view.slot;
      if (!isPart(view)) left.add(brokerId);
      else if (view.phase === 'serving' && !this.#asking.has(brokerId)) this.#ask(brokerId);
    }
    loads.left(left, settings.loadIntervalMs);
  }

  #ask(brokerId: number): void {
    const { brokerRequest, loads, settings } = this.#context;
    this.#asking.add(brokerId);
    brokerRequest(brokerId, 30003, { logsMax: settings.loadLogsMax })
      .then((report) => loads.report(brokerId, report))
      .catch((cause: unknown) => {
        // The last report stays. A broker that does not answer is the fault detector's concern.
        if (!(cause instanceof Failure)) throw cause;
      })
      .finally(() => this.#asking.delete(brokerId));
  }
}
