/**
 * The metadata store as one process sees it: requests and answers take time, changes arrive late and in order, and the
 * store can be slow, throttled, unavailable, or lose its answers. A request in flight takes effect even when the process
 * that sent it has died.
 */
import { below, type Random } from '../../engine/kernel/random.ts';
import { brokerSessionsPk } from '../../engine/controller/rows/broker-session.ts';
import { leasesPk } from '../../engine/controller/rows/lease.ts';
import { shardsPk } from '../../engine/controller/rows/shard.ts';
import {
  type MetadataStore,
  type RangeOptions,
  type RowChange,
  StoreAmbiguous,
  type StoreOp,
  StoreThrottled,
  StoreUnavailable,
} from '../../engine/ports.ts';
import { memoryStore, type MemoryStore, type StoreFault, type StoreOperation } from '../../engine/store-memory.ts';
import type { EventLoop } from './event-loop.ts';
import { never, type SimProcess } from './process.ts';

/** The store's current behaviour; numbers are shares of requests in percent. */
export interface StoreMood {
  readonly slowMs: number;
  readonly throttledPercent: number;
  readonly unavailablePercent: number;
  /** The share of writes, as when its disk is full. */
  readonly readOnlyPercent: number;
  readonly replyLostPercent: number;
  readonly changeLostPercent: number;
}

export const goodMood: StoreMood = {
  slowMs: 0,
  throttledPercent: 0,
  unavailablePercent: 0,
  readOnlyPercent: 0,
  replyLostPercent: 0,
  changeLostPercent: 0,
};

/** Triggered once, in the middle of a process's next transaction that writes such a row; any row without a key. */
export interface StoreTrap {
  readonly pk: string | undefined;
  /** Before the transaction takes effect, or between the effect and the answer; 'lost': it never arrives. */
  readonly when: 'before' | 'after' | 'lost';
  /** Whether it may trigger now, on this transaction: otherwise it waits for the next such one. */
  readonly isDue?: (ops: readonly StoreOp[]) => boolean;
  /** How much later the transaction takes effect. */
  readonly lateMs?: number;
  readonly act: () => void;
}

/** Rows of which there are never more than a page has room for. */
const wholePks = new Set([brokerSessionsPk, leasesPk, shardsPk]);

/** One read of a process: what it finds is as of when it was made, and told when `until` resolves. */
export interface HeldRead {
  readonly pk: string;
  readonly until: Promise<void>;
  /** Resolves when the read has been made. */
  readonly act: () => void;
}

export class SimStore {
  mood: StoreMood = goodMood;
  /** How late what a process writes may take effect, and how late it may hear of it, in ms. */
  readonly lateMs = new Map<SimProcess, number>();
  readonly traps = new Map<SimProcess, StoreTrap>();
  /** For whichever process comes first. */
  trapForAny: StoreTrap | undefined;
  /** Processes that cannot reach it. */
  readonly cutOff = new Set<SimProcess>();
  /**
   * Processes that hear of no change of these rows, nor of any later one, until they are told that they have missed
   * some.
   */
  readonly deafTo = new Map<SimProcess, string>();
  readonly heldReads = new Map<SimProcess, HeldRead>();
  /** When it was last anything but quick and reliable for some process. */
  troubledAtMs = 0;
  /** When the last write that a trap holds back will have had its effect, also after the traps are gone. */
  lateUntilMs = 0;
  readonly rows: MemoryStore;
  readonly #random: Random;
  readonly #loop: EventLoop;
  readonly #pageRows: number | undefined;

  /** `pageRows`: so few come at a time, and between two pages rows change. */
  constructor(loop: EventLoop, random: Random, pageRows: number | undefined) {
    this.#random = random;
    this.#loop = loop;
    this.#pageRows = pageRows;
    this.rows = memoryStore({ clock: loop.clock() });
  }

  handle(process: SimProcess): MetadataStore {
    const view = this.rows.connect((operation) => this.#fault(process, operation));
    process.onEnd(() => void view.close());
    const call = <T>(run: () => Promise<T>): Promise<T> => (process.isAlive ? process.answer(run()) : never);
    const read = <T>(run: () => Promise<T>): Promise<T> => this.#read(process, run);
    return {
      get: (key) => read(() => view.get(key)),
      range: (pk, options) => {
        const page = (): ReturnType<MetadataStore['range']> => view.range(pk, this.#paged(pk, options));
        return this.#held(process, pk, page) ?? read(page);
      },
      transact: (ops, token) => call(() => view.transact(ops, token)),
      watch: (pk, onChange) => (process.isAlive ? this.#watch(process, view, pk, onChange) : () => undefined),
      close: () => call(() => view.close()),
    };
  }

  #paged(pk: string, options: RangeOptions | undefined): RangeOptions | undefined {
    const isWhole = this.#pageRows === undefined || options?.limit !== undefined || wholePks.has(pk);
    return isWhole ? options : { ...options, limit: this.#pageRows };
  }

  /** In one event, or in two: then what the process gets may be old by the time it gets it. */
  #read<T>(process: SimProcess, run: () => Promise<T>): Promise<T> {
    if (!process.isAlive) return never;
    const slowMs = below(this.#random, 1 + this.mood.slowMs);
    const delayMs = 0.1 + below(this.#random, 10) / 10 + slowMs;
    const { loop } = process;
    if (slowMs === 0 && below(this.#random, 4) > 0) {
      return new Promise((resolve, reject) => process.post(delayMs, () => void run().then(resolve, reject)));
    }
    const replyMs = 0.1 + below(this.#random, 5) / 10 + slowMs / 2;
    return new Promise((resolve, reject) => {
      loop.schedule(delayMs, () => void process.answer(run(), replyMs).then(resolve, reject));
    });
  }

  #held<T>(process: SimProcess, pk: string, run: () => Promise<T>): Promise<T> | undefined {
    const held = this.heldReads.get(process);
    if (held?.pk !== pk || !process.isAlive) return undefined;
    this.heldReads.delete(process);
    const found = async (): Promise<T> => {
      const page = await run();
      held.act();
      await held.until;
      return page;
    };
    return new Promise((resolve, reject) => {
      process.loop.schedule(0.1, () => void process.answer(found(), 0.1).then(resolve, reject));
    });
  }

  #watch(process: SimProcess, view: MetadataStore, pk: string, onChange: (change: RowChange) => void): () => void {
    let lastMs = 0;
    return view.watch(pk, (change) => {
      const { nowMs } = process.loop;
      lastMs = Math.max(lastMs, nowMs + below(this.#random, 3 + this.mood.slowMs / 4));
      process.post(lastMs - nowMs, () => onChange(change));
    });
  }

  #fault(process: SimProcess, operation: StoreOperation): StoreFault {
    const { mood } = this;
    if (mood !== goodMood || this.cutOff.size > 0 || this.lateMs.size > 0) this.troubledAtMs = this.#loop.nowMs;
    const lucky = (percent: number): boolean => percent > 0 && below(this.#random, 100) < percent;
    if (operation.op === 'deliver') {
      const isMissed = this.cutOff.has(process) || operation.key.pk === this.deafTo.get(process);
      if (isMissed || lucky(mood.changeLostPercent)) throw new StoreUnavailable('a change was lost');
      return {};
    }
    if (this.cutOff.has(process)) {
      const isSent = operation.op === 'transact' && below(this.#random, 2) === 0;
      throw isSent ? new StoreAmbiguous('no answer') : new StoreUnavailable('cut off');
    }
    if (lucky(mood.unavailablePercent)) throw new StoreUnavailable('the store is away');
    if (lucky(mood.throttledPercent)) throw new StoreThrottled('too many requests');
    if (operation.op !== 'transact') return {};
    if (lucky(mood.readOnlyPercent)) throw new StoreUnavailable('the store cannot be written');
    const lateMs = this.lateMs.get(process) ?? 0;
    // Late on the way there or on the way back, seldom both.
    const isLateThere = lateMs > 0 && below(this.#random, 2) === 0;
    const delayMs = this.#delayMs(10, mood.slowMs) + (isLateThere ? below(this.#random, lateMs) : 0);
    const replyDelayMs = this.#delayMs(5, mood.slowMs / 2) + (isLateThere ? 0 : below(this.#random, 1 + lateMs));
    const heldMs = this.#spring(process, operation.ops, delayMs, replyDelayMs);
    return { delayMs: delayMs + heldMs, replyDelayMs, replyLost: lucky(mood.replyLostPercent) };
  }

  #delayMs(usual: number, slowMs: number): number {
    return 0.1 + below(this.#random, usual) / 10 + below(this.#random, 1 + slowMs);
  }

  #spring(process: SimProcess, ops: readonly StoreOp[], delayMs: number, replyDelayMs: number): number {
    const trap = this.traps.get(process) ?? this.trapForAny;
    if (!trap || trap.isDue?.(ops) === false) return 0;
    const { pk, when, act, lateMs = 0 } = trap;
    if (pk !== undefined && !ops.some(({ op, key }) => op === 'put' && key.pk.startsWith(pk))) return 0;
    if (!this.traps.delete(process)) this.trapForAny = undefined;
    if (when === 'lost') {
      this.#loop.schedule(0, act);
      throw new StoreUnavailable('the request was lost');
    }
    this.#loop.schedule(when === 'before' ? delayMs / 2 : delayMs + lateMs + replyDelayMs / 2, act);
    this.lateUntilMs = Math.max(this.lateUntilMs, this.#loop.nowMs + delayMs + lateMs + replyDelayMs);
    return lateMs;
  }
}
