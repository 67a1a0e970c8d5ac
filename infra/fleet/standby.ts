/**
 * Processes that have loaded their program and wait for a slot. Starting Node and loading a broker takes hundreds of
 * milliseconds of a core. A spare removes that from the time in which a dead broker's slot is empty, at the price of the
 * memory of one idle process (about 70 MB).
 *
 * The pool is refilled a while after a spare was taken: while partitions are being recovered, the cores are theirs. A
 * caller that finds no spare has one loaded at once, a few at a time, because loading all of a large fleet together makes
 * the first as late as the last.
 */
import type { Clock, Timer } from '../../engine/kernel/clock.ts';
import { Child, type ChildOptions } from './child.ts';

export interface StandbyOptions {
  readonly clock: Clock;
  readonly child: ChildOptions;
  /** Spares kept when nobody asks. */
  readonly spares: number;
  /** Processes that load at the same time. */
  readonly loadingMax: number;
}

const refillAfterMs = 700;
/** A process that fails to load is not restarted at once. */
const refillAfterFailureMs = 5000;

export class Standby {
  readonly #options: StandbyOptions;
  readonly #idle = new Set<Child>();
  /** Callers that wait for a process, in the order in which they asked. */
  readonly #waiting: (() => void)[] = [];
  /** Still to be loaded for slots that have not asked yet. */
  #ahead = 0;
  /** Ready and promised to a slot. */
  readonly #kept = new Map<number, Child>();
  readonly #asked = new Map<number, Promise<void>>();
  #refill: Timer | undefined;
  #closed = false;

  constructor(options: StandbyOptions) {
    this.#options = options;
    this.#later(refillAfterMs);
  }

  /**
   * Resolves when a process is reserved for the slot. Also resolves when one failed to load: the start then creates its own
   * and reports why.
   */
  keep(brokerId: number): Promise<void> {
    let asked = this.#asked.get(brokerId);
    if (!asked) {
      asked = this.#find(brokerId).finally(() => this.#asked.delete(brokerId));
      this.#asked.set(brokerId, asked);
    }
    return asked;
  }

  /** Loads processes for this many slots that will ask, whichever of them asks first. */
  loadAhead(count: number): void {
    this.#ahead += count;
    this.#load();
  }

  /** One is ready, or being loaded, for whoever asks first. */
  prepare(): void {
    if (this.#idle.size === 0) this.loadAhead(1);
  }

  async #find(brokerId: number): Promise<void> {
    if (this.#kept.has(brokerId)) return;
    let ready = this.#ready();
    if (!ready) {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
        this.#ahead = Math.max(0, this.#ahead - 1);
        this.#load();
      });
      ready = this.#ready();
    }
    if (!ready) return;
    this.#idle.delete(ready);
    this.#kept.set(brokerId, ready);
  }

  /** The process reserved for the slot, otherwise any that is ready. */
  take(brokerId: number): Child | undefined {
    const child = this.#kept.get(brokerId) ?? this.#ready();
    this.#kept.delete(brokerId);
    if (!child) return undefined;
    this.#idle.delete(child);
    this.#later(refillAfterMs);
    return child;
  }

  /** Resolves when all of them are reaped. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#refill?.cancel();
    for (const resolve of this.#waiting.splice(0)) resolve();
    const all = [...this.#idle, ...this.#kept.values()];
    for (const child of all) child.kill();
    await Promise.all(all.map((child) => child.exited));
  }

  #ready(): Child | undefined {
    for (const child of this.#idle) if (child.isReady) return child;
    return undefined;
  }

  /** One for every caller that waits or will wait, loading only as many at a time as allowed. */
  #load(): void {
    const { loadingMax } = this.#options;
    let loading = [...this.#idle].filter((child) => !child.isReady).length;
    while (!this.#closed && loading < Math.min(loadingMax, this.#waiting.length + this.#ahead)) {
      this.#start();
      loading++;
    }
  }

  #start(): void {
    const child = new Child(this.#options.child);
    this.#idle.add(child);
    child.onChange = () => {
      if (child.isGone) {
        this.#idle.delete(child);
        for (const [brokerId, kept] of this.#kept) if (kept === child) this.#kept.delete(brokerId);
        if (child.slot === undefined) this.#later(refillAfterFailureMs);
      }
      const waiter = this.#waiting.shift();
      if (waiter) waiter();
      else this.#ahead = Math.max(0, this.#ahead - 1);
      this.#load();
    };
  }

  #later(delayMs: number): void {
    if (this.#closed || this.#refill !== undefined || this.#options.spares === 0) return;
    this.#refill = this.#options.clock.after(
      delayMs,
      () => {
        this.#refill = undefined;
        if (this.#closed || this.#idle.size >= this.#options.spares) return;
        this.#start();
        if (this.#idle.size < this.#options.spares) this.#later(refillAfterMs);
      },
      'background',
    );
  }
}
