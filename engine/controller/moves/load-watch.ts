/**
 * Asks every serving broker for its load. One question at a time per broker: who does not answer is not asked again
 * meanwhile. A broker that has left the fleet (scale-in) is asked no more; what it told last fades as if it were idle,
 * unless another broker tells of it. What a dead one told stays until its slot serves again: it is what a plan goes by.
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

  /** Resolves at once; answers are taken when they come. */
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
        // What is known stays; a broker that does not answer is the fault detector's business.
        if (!(cause instanceof Failure)) throw cause;
      })
      .finally(() => this.#asking.delete(brokerId));
  }
}
