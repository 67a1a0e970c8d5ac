/**
 * Watches the damage that the brokers' scrubs have found and that is not yet mended. Emits an event when damage appears
 * and when it goes away.
 */
import { damagePk, type DamageRow, decodeDamage } from '../log/rows/damage.ts';
import { Failure } from '../kernel/failure.ts';
import type { MetadataStore, Row, RowChange } from '../ports.ts';
import type { EventRing } from './events.ts';

/** Damage beyond this number is not shown. An operator with that much damage reads a dump of the rows instead. */
const shownMax = 10_000;

export class DamageWatch {
  readonly #store: MetadataStore;
  readonly #events: EventRing;
  readonly #rows = new Map<string, DamageRow>();
  #stopWatching: (() => void) | undefined;

  constructor(store: MetadataStore, events: EventRing) {
    this.#store = store;
    this.#events = events;
  }

  start(): void {
    this.#stopWatching = this.#store.watch(damagePk, (change) => this.#changed(change));
    this.#reload();
  }

  stop(): void {
    this.#stopWatching?.();
  }

  /** Ordered by file, then position. */
  list(): DamageRow[] {
    return [...this.#rows].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
  }

  #changed(change: RowChange): void {
    if (change === 'gap') this.#reload();
    else if (change.row) this.#found(change.row);
    else this.#gone(change.key.sk);
  }

  #reload(): void {
    this.#load().catch((error: unknown) => {
      // The next change or gap triggers another read. Until then the list shows the last known state.
      if (!(error instanceof Failure)) throw error;
    });
  }

  async #load(): Promise<void> {
    const seen = new Set<string>();
    let cursor: string | undefined;
    do {
      const page = await this.#store.range(damagePk, cursor === undefined ? {} : { cursor });
      for (const row of page.rows) {
        seen.add(row.sk);
        this.#found(row);
      }
      cursor = page.cursor;
    } while (cursor !== undefined);
    for (const sk of this.#rows.keys()) if (!seen.has(sk)) this.#gone(sk);
  }

  #found(row: Row): void {
    const damage = decodeDamage(row.sk, row.value);
    const isNew = !this.#rows.has(row.sk);
    if (isNew && this.#rows.size >= shownMax) return;
    this.#rows.set(row.sk, damage);
    if (!isNew) return;
    const { fileId, position, what, topicId, partition, fromOffset } = damage;
    const log = topicId === undefined ? {} : { topicId, partition: partition ?? -1 };
    this.#events.emit('segment-damaged', what, {
      fileId,
      position,
      ...log,
      ...(fromOffset === undefined ? {} : { fromOffset }),
    });
  }

  #gone(sk: string): void {
    const damage = this.#rows.get(sk);
    if (!damage) return;
    this.#rows.delete(sk);
    this.#events.emit('segment-mended', 'repaired or removed', {
      fileId: damage.fileId,
      position: damage.position,
    });
  }
}
