/**
 * Delivers changes to the watchers of this process, from the change log alone; this process's own commits only wake the
 * feed. Watchers are not told straight from a commit, because another process's commit with a lower sequence may still be
 * unread, and the two changes of one row would arrive in the wrong order.
 *
 * One read covers the log and the rows of a single snapshot. A row that changed several times since the last read is
 * delivered once, at the place of its last change, so that nobody sees one row's future before another row's past.
 */
import type { Clock, Timer } from '../../engine/kernel/clock.ts';
import type { Row, RowChange, RowKey } from '../../engine/ports.ts';
import { keyIdentity } from '../../engine/store-limits.ts';
import type { StoreState } from './lmdb-format.ts';

export interface ChangeLog {
  /** From here on reads see the newest commit of any process, and one snapshot until the caller yields. */
  renewSnapshot(): void;
  state(): StoreState;
  /** Changes with `from` <= sequence <= `to`, ascending. */
  changes(from: number, to: number): Iterable<{ readonly sequence: number; readonly key: RowKey }>;
  row(key: RowKey): Row | undefined;
  /** Reports how the feed's last read went: the failure, or undefined. */
  went(failure: unknown): void;
}

type Change = { readonly sequence: number; readonly key: RowKey; readonly row: Row | undefined };

interface Watcher {
  readonly onChange: (change: RowChange) => void;
  /** This watcher gets only changes after this. */
  readonly afterSequence: number;
  stopped: boolean;
}

export class ChangeFeed {
  readonly #log: ChangeLog;
  readonly #clock: Clock;
  readonly #pollIntervalMs: number;
  readonly #watchers = new Map<string, Set<Watcher>>();
  #position = 0;
  #timer: Timer | undefined;
  #woken = false;
  #closed = false;

  constructor(log: ChangeLog, clock: Clock, pollIntervalMs: number) {
    this.#log = log;
    this.#clock = clock;
    this.#pollIntervalMs = pollIntervalMs;
  }

  watch(pk: string, onChange: (change: RowChange) => void): () => void {
    this.#log.renewSnapshot();
    const { lastSequence } = this.#log.state();
    // Nobody listened since the last read, so nobody needs what happened meanwhile.
    if (this.#watchers.size === 0) this.#position = lastSequence;
    const watcher: Watcher = { onChange, afterSequence: lastSequence, stopped: false };
    let watchers = this.#watchers.get(pk);
    if (!watchers) this.#watchers.set(pk, (watchers = new Set()));
    watchers.add(watcher);
    this.#timer ??= this.#clock.after(this.#pollIntervalMs, () => this.#tick(), 'background');
    return () => {
      watcher.stopped = true;
      watchers.delete(watcher);
      if (watchers.size === 0 && this.#watchers.get(pk) === watchers) this.#watchers.delete(pk);
    };
  }

  /** Called after an own commit, or when somebody waits: reads at the end of this turn instead of at the next tick. */
  wake(): void {
    if (this.#woken || this.#watchers.size === 0) return;
    this.#woken = true;
    this.#clock.endOfTurn(() => {
      this.#woken = false;
      this.#read();
    });
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    for (const watchers of this.#watchers.values()) for (const watcher of watchers) watcher.stopped = true;
    this.#watchers.clear();
  }

  #tick(): void {
    this.#timer = undefined;
    if (this.#closed || this.#watchers.size === 0) return;
    this.#timer = this.#clock.after(this.#pollIntervalMs, () => this.#tick(), 'background');
    this.#read();
  }

  #read(): void {
    if (this.#closed || this.#watchers.size === 0) return;
    const found = this.#look();
    if (!found || found.to === this.#position) return;
    // Set before delivery: otherwise a watcher that throws would get the same changes again for ever.
    this.#position = found.to;
    if (found.changes === 'gap') this.#deliverGap(found.to);
    else this.#deliver(found.changes);
  }

  /** Undefined when the store cannot be read. The position stays, and the next tick looks again. */
  #look(): { readonly to: number; readonly changes: readonly Change[] | 'gap' } | undefined {
    try {
      this.#log.renewSnapshot();
      const { firstSequence, lastSequence } = this.#log.state();
      const from = this.#position + 1;
      const isBehind = from < firstSequence && from <= lastSequence;
      const changes = isBehind ? 'gap' : from > lastSequence ? [] : this.#latest(from, lastSequence);
      this.#log.went(undefined);
      return { to: Math.max(lastSequence, this.#position), changes };
    } catch (failure) {
      this.#log.went(failure);
      return undefined;
    }
  }

  /** The watched rows that changed, each once, ordered by their last change. */
  #latest(from: number, to: number): Change[] {
    const changed = new Map<string, { sequence: number; key: RowKey }>();
    for (const change of this.#log.changes(from, to)) {
      if (!this.#watchers.has(change.key.pk)) continue;
      const identity = keyIdentity(change.key);
      changed.delete(identity);
      changed.set(identity, change);
    }
    return [...changed.values()].map(({ sequence, key }) => ({ sequence, key, row: this.#log.row(key) }));
  }

  /** Sets may change during the loop: a watcher that joins meanwhile starts after these sequences. */
  #deliver(changes: readonly Change[]): void {
    const errors: unknown[] = [];
    for (const { sequence, key, row } of changes) {
      for (const watcher of this.#watchers.get(key.pk) ?? []) {
        if (sequence > watcher.afterSequence) tell(watcher, { key, row }, errors);
      }
    }
    if (errors.length > 0) throw errors[0];
  }

  #deliverGap(lastSequence: number): void {
    const errors: unknown[] = [];
    for (const watchers of this.#watchers.values()) {
      for (const watcher of watchers) {
        if (lastSequence > watcher.afterSequence) tell(watcher, 'gap', errors);
      }
    }
    if (errors.length > 0) throw errors[0];
  }
}

/** One watcher's bug must not keep a change from the others; it is thrown after all were told. */
function tell(watcher: Watcher, change: RowChange, errors: unknown[]): void {
  if (watcher.stopped) return;
  try {
    watcher.onChange(change);
  } catch (error) {
    errors.push(error);
  }
}
