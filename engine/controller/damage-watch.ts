/**
 * Watches the damage that the brokers' scrubs have found and that is not yet mended. Emits an event when damage appears
 * and when it goes away.
 */
import { damagePk, type DamageRow, decodeDamage } from '../log/rows/damage.ts';
import { Failure } from '../kernel/failure.ts';
import type { Row, RowChange } from '../ports.ts';
import { type Persistence, rangeSurely } from '../store-surely.ts';
import type { EventRing } from './events.ts';

/** Damage beyond this number is not shown. An operator with that much damage reads a dump of the rows instead. */
const shownMax = 10_000;

export class DamageWatch {
  readonly #persistence: Persistence;
  readonly #events: EventRing;
  readonly #rows = new Map<string, DamageRow>();
  /** Set while the rows are read: the rows that changed meanwhile. What was read about them may be out of date. */
  #touched: Set<string> | undefined;
  #mustRead = false;
  #stopWatching: (() => void) | undefined;

  constructor(persistence: Persistence, events: EventRing) {
    this.#persistence = persistence;
    this.#events = events;
  }

  start(): void {
    this.#stopWatching = this.#persistence.store.watch(damagePk, (change) => this.#changed(change));
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
    if (change === 'gap') return this.#reload();
    this.#touched?.add(change.key.sk);
    if (change.row) this.#found(change.row);
    else this.#gone(change.key.sk);
  }

  /** A gap during a read leads to another read. */
  #reload(): void {
    this.#mustRead = true;
    if (this.#touched) return;
    this.#read().catch((error: unknown) => {
      // The process stops, or the store has failed for good.
      if (!(error instanceof Failure)) throw error;
    });
  }

  /** Waits for the store for as long as it takes: missed changes are not delivered again. */
  async #read(): Promise<void> {
    while (this.#mustRead) {
      this.#mustRead = false;
      const touched = new Set<string>();
      this.#touched = touched;
      try {
        const rows = await rangeSurely(this.#persistence, damagePk, Number.POSITIVE_INFINITY);
        const present = new Set(rows.map(({ sk }) => sk));
        for (const row of rows) if (!touched.has(row.sk)) this.#found(row);
        for (const sk of this.#rows.keys()) if (!present.has(sk) && !touched.has(sk)) this.#gone(sk);
      } finally {
        this.#touched = undefined;
      }
    }
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
