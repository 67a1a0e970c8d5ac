/**
 * The fleet as seen by a controller that does not keep it. Phases follow the session rows. A dead broker's partitions
 * in this controller's shards move as soon as the row says the broker is recovered. No message is needed: every
 * controller sees the row, and each moves its own partitions.
 */
import type { Row } from '../../ports.ts';
import { type BrokerView, noteSession } from './brokers.ts';
import type { ControllerContext } from '../context.ts';
import { learnSlots } from './learn-slots.ts';
import { partitionCounts } from '../moves/plan-input.ts';
import type { Repair } from '../moves/repair.ts';
import { brokerSessionsPk } from '../rows/broker-session.ts';

export class BrokerFollow {
  readonly #context: ControllerContext;
  readonly #repair: Repair;
  /** Monotonic time since which a slot has had no session. */
  readonly #idleSinceMs = new Map<number, number>();

  constructor(context: ControllerContext, repair: Repair) {
    this.#context = context;
    this.#repair = repair;
  }

  /** One look, and the repairs that follow from it. Throws the store's failures. */
  async look(): Promise<void> {
    const { persistence, brokers } = this.#context;
    const { rows } = await persistence.store.range(brokerSessionsPk);
    learnSlots(this.#context, rows);
    const byId = new Map(rows.map((row) => [Number(row.sk), row]));
    let hasCome = false;
    for (const view of brokers.all()) {
      const served = view.phase === 'serving';
      this.#follow(view, byId.get(view.slot.brokerId));
      if (!served && view.phase === 'serving') hasCome = true;
    }
    const gone = [...brokers.all()].filter((view) => this.#isGone(view));
    if (gone.length > 0 && brokers.anyServing() !== undefined) await this.#moveFrom(gone);
    if (hasCome) await this.#repair.assignOrphans();
  }

  async #moveFrom(gone: readonly BrokerView[]): Promise<void> {
    // The barrier makes this controller aware of what visitors placed there.
    await this.#context.shards.barrier();
    const owned = partitionCounts(this.#context, 'held');
    const losing = gone.filter(({ slot }) => owned.has(slot.brokerId));
    await Promise.all(losing.map(({ slot }) => this.#repair.remapDead(slot.brokerId)));
  }

  #follow(view: BrokerView, row: Row | undefined): void {
    noteSession(view, row);
    // A damaged row: the slot stays as it was until the keeper has restored the row.
    if (row && row.version > view.version) return;
    const { brokerId } = view.slot;
    const nowMs = this.#context.clock.monotonicMs();
    const state = view.session?.state ?? 'closed';
    if (state === 'closed') {
      view.phase = 'idle';
      if (!this.#idleSinceMs.has(brokerId)) this.#idleSinceMs.set(brokerId, nowMs);
      return;
    }
    this.#idleSinceMs.delete(brokerId);
    if (state === 'serving' || state === 'draining') {
      view.phase = 'serving';
      return;
    }
    if (view.phase !== 'dead') view.diedAtMs = nowMs;
    view.phase = 'dead';
    view.recovered = state === 'recovered';
  }

  /** Whether its partitions may go to others: it is recovered, or it is closed and does not come back. */
  #isGone(view: BrokerView): boolean {
    if (view.phase === 'dead') return view.recovered;
    const sinceMs = this.#idleSinceMs.get(view.slot.brokerId);
    const { clock, settings } = this.#context;
    return sinceMs !== undefined && clock.monotonicMs() - sinceMs >= settings.idleRemapAfterMs;
  }
}
