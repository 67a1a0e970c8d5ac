/** Asks every serving broker for its load. One question at a time per broker: who does not answer is not asked again meanwhile. */
import { Failure } from '../kernel/failure.ts';
import type { ControllerContext } from './context.ts';

export class LoadWatch {
  readonly #context: ControllerContext;
  readonly #asking = new Set<number>();

  constructor(context: ControllerContext) {
    this.#context = context;
  }

  /** Resolves at once; answers are taken when they come. */
  async askAll(): Promise<void> {
    for (const { phase, slot } of this.#context.brokers.all()) {
      if (phase === 'serving' && !this.#asking.has(slot.brokerId)) this.#ask(slot.brokerId);
    }
  }

  #ask(brokerId: number): void {
    const { brokerRequest, loads, settings } = this.#context;
    this.#asking.add(brokerId);
    brokerRequest(brokerId, 30003, { logsMax: settings.loadLogsMax })
      .then((report) => loads.report(brokerId, report))
      .catch((cause: unknown) => {
        // What is known stays; a broker that does not answer is the fault detector's business.
        if (!(cause instanceof Failure)) throw cause;
      })
      .finally(() => this.#asking.delete(brokerId));
  }
}
