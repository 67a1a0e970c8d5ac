/**
 * Readers that wait for a log to grow, as a linked set per log: adding, cancelling and waking cost the same for any number
 * of them.
 */
import type { Waiter } from '../log.ts';

interface Entry extends Waiter {
  readonly offset: number;
  readonly wake: () => void;
}

export class Waiters {
  /** Absent while nobody waits, which is the usual case. */
  #entries: Set<Entry> | undefined;

  get size(): number {
    return this.#entries?.size ?? 0;
  }

  /** Undefined when `waitersMax` readers wait already. */
  add(offset: number, wake: () => void, waitersMax: number): Waiter | undefined {
    const entries = (this.#entries ??= new Set());
    if (entries.size >= waitersMax) return undefined;
    const entry: Entry = { offset, wake, cancel: () => void this.#remove(entry) };
    entries.add(entry);
    return entry;
  }

  /** Wakes the readers that wait for an offset below `highWatermark`. */
  wakeBelow(highWatermark: number): void {
    if (!this.#entries) return;
    // A woken reader may wait again at once, and this pass must not wake it twice: take out those that are due first.
    const due: Entry[] = [];
    for (const entry of this.#entries) if (entry.offset < highWatermark) due.push(entry);
    for (const entry of due) if (this.#remove(entry)) entry.wake();
  }

  wakeAll(): void {
    this.wakeBelow(Infinity);
  }

  /** Returns whether the entry was still waiting. */
  #remove(entry: Entry): boolean {
    const was = this.#entries?.delete(entry) ?? false;
    if (this.#entries?.size === 0) this.#entries = undefined;
    return was;
  }
}
