/** Readers that wait for a log to grow, as a linked set per log: adding, cancelling and waking cost the same for any number. */
import type { Waiter } from '../log.ts';

interface Entry extends Waiter {
  readonly offset: number;
  readonly wake: () => void;
}

export class Waiters {
  /** Absent while nobody waits, as with most logs at most times. */
  #entries: Set<Entry> | undefined;

  get size(): number {
    return this.#entries?.size ?? 0;
  }

  /** Undefined when `waitersMax` wait already. */
  add(offset: number, wake: () => void, waitersMax: number): Waiter | undefined {
    const entries = (this.#entries ??= new Set());
    if (entries.size >= waitersMax) return undefined;
    const entry: Entry = { offset, wake, cancel: () => void this.#remove(entry) };
    entries.add(entry);
    return entry;
  }

  /** Wakes whoever waits for an offset below `highWatermark`. */
  wakeBelow(highWatermark: number): void {
    if (!this.#entries) return;
    // A woken reader may wait again at once: it must not be met in this pass, so take those due out first.
    const due: Entry[] = [];
    for (const entry of this.#entries) if (entry.offset < highWatermark) due.push(entry);
    for (const entry of due) if (this.#remove(entry)) entry.wake();
  }

  wakeAll(): void {
    this.wakeBelow(Infinity);
  }

  /** Whether it was still waiting. */
  #remove(entry: Entry): boolean {
    const was = this.#entries?.delete(entry) ?? false;
    if (this.#entries?.size === 0) this.#entries = undefined;
    return was;
  }
}
