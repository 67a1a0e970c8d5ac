/**
 * The metadata store as a model: plain maps with the limits, failures and watch semantics of the durable drivers. Engine
 * tests and the simulator run on it; `connect` gives every simulated process its own view, faults and watches.
 */
import type { Clock } from './kernel/clock.ts';
import { sleep } from './kernel/clock.ts';
import {
  type MetadataStore,
  type RangeOptions,
  type Row,
  type RowChange,
  type RowKey,
  StoreAmbiguous,
  StoreConflict,
  type StoreOp,
  StoreUnavailable,
  storeTokenMs,
} from './ports.ts';
import { checkKey, checkLimits, compareBytewise, holds, pageRows, storePageBytesMax } from './store-limits.ts';

/** What a fault hook is asked about. 'deliver' is one change that is about to reach the watchers of its partition key. */
export type StoreOperation =
  | { readonly op: 'get'; readonly key: RowKey }
  | { readonly op: 'range'; readonly pk: string; readonly options: RangeOptions }
  | { readonly op: 'transact'; readonly ops: readonly StoreOp[]; readonly token: string | undefined }
  | { readonly op: 'deliver'; readonly key: RowKey };

export interface StoreFault {
  /** Delay before the operation takes effect. Not for 'deliver'. */
  readonly delayMs?: number;
  /** Delay between the effect and the reply. Not for 'deliver'. */
  readonly replyDelayMs?: number;
  /** The operation takes effect, but the caller gets StoreAmbiguous. For 'transact' only. */
  readonly replyLost?: boolean;
}

/**
 * Called before each operation. It throws StoreThrottled, StoreUnavailable or StoreAmbiguous for an operation that never
 * arrives. A throw for 'deliver' loses that change: the watchers of its key get 'gap' once the hook lets a delivery through.
 */
export type StoreFaults = (operation: StoreOperation) => StoreFault | undefined;

export interface MemoryStore extends MetadataStore {
  /** Another process's view of the same rows. Closing one view leaves the others open. */
  connect(faults?: StoreFaults): MetadataStore;
  /** All rows, of every partition key, in no order. */
  all(): Iterable<Row>;
  /** The row's bytes decay: another value at the same version, of which nobody is told. */
  rot(key: RowKey, value: string): void;
}

export function memoryStore(options: { readonly clock: Clock; readonly faults?: StoreFaults }): MemoryStore {
  const rows = new MemoryRows(options.clock);
  const store = new MemoryView(rows, options.clock, options.faults);
  return Object.assign(store, {
    connect: (faults?: StoreFaults) => new MemoryView(rows, options.clock, faults),
    all: () => rows.all(),
    rot: (key: RowKey, value: string) => rows.rot(key, value),
  });
}

/** How long a view waits after a lost change before it tries to deliver 'gap' again. */
const gapRetryMs = 20;

interface Partition {
  readonly rows: Map<string, Row>;
  /** Keys of `rows` in bytewise order. */
  readonly sks: string[];
}

/** The rows that all views share. Every method is synchronous, which makes transactions serialisable. */
class MemoryRows {
  readonly views = new Set<MemoryView>();
  readonly #clock: Clock;
  readonly #partitions = new Map<string, Partition>();
  /** Maps a token to the monotonic time of its transaction, oldest first. */
  readonly #tokens = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get(key: RowKey): Row | undefined {
    return this.#partitions.get(key.pk)?.rows.get(key.sk);
  }

  *all(): Iterable<Row> {
    for (const { rows } of this.#partitions.values()) yield* rows.values();
  }

  rot(key: RowKey, value: string): void {
    const row = this.get(key);
    if (row) this.#partitions.get(key.pk)!.rows.set(key.sk, { ...row, value });
  }

  range(pk: string, options: RangeOptions): { rows: Row[]; cursor?: string } {
    const rowsMax = pageRows(options);
    const partition = this.#partitions.get(pk);
    if (!partition) return { rows: [] };
    const { sks } = partition;
    let low = options.from === undefined ? 0 : lowerBound(sks, options.from);
    let high = options.to === undefined ? sks.length : lowerBound(sks, options.to);
    if (options.cursor !== undefined) {
      const at = lowerBound(sks, options.cursor);
      if (options.reverse) high = Math.min(high, at);
      else low = Math.max(low, sks[at] === options.cursor ? at + 1 : at);
    }
    const rows: Row[] = [];
    let bytes = 0;
    while (low < high) {
      const row = partition.rows.get(options.reverse ? sks[high - 1]! : sks[low]!)!;
      const rowBytes = Buffer.byteLength(row.value) + Buffer.byteLength(row.sk);
      if (rows.length === rowsMax || (rows.length > 0 && bytes + rowBytes > storePageBytesMax)) break;
      rows.push(row);
      bytes += rowBytes;
      if (options.reverse) high--;
      else low++;
    }
    const last = rows.at(-1);
    return low < high && last ? { rows, cursor: last.sk } : { rows };
  }

  transact(ops: readonly StoreOp[], token: string | undefined): void {
    const nowMs = this.#clock.monotonicMs();
    this.#forgetTokens(nowMs);
    if (token !== undefined && this.#tokens.has(token)) return;
    for (const [index, op] of ops.entries()) {
      const current = this.get(op.key);
      if (!holds(op.if, current)) throw new StoreConflict(index, current);
    }
    if (token !== undefined) this.#tokens.set(token, nowMs);
    for (const op of ops) this.#apply(op);
  }

  #apply(op: StoreOp): void {
    if (op.op === 'check') return;
    const { pk, sk } = op.key;
    const current = this.get(op.key);
    const row = op.op === 'put' ? { pk, sk, value: op.value, version: (current?.version ?? 0) + 1 } : undefined;
    if (!row && !current) return;
    let partition = this.#partitions.get(pk);
    if (!partition) this.#partitions.set(pk, (partition = { rows: new Map(), sks: [] }));
    if (!current) partition.sks.splice(lowerBound(partition.sks, sk), 0, sk);
    if (row) {
      partition.rows.set(sk, row);
    } else {
      partition.rows.delete(sk);
      partition.sks.splice(lowerBound(partition.sks, sk), 1);
      if (partition.sks.length === 0) this.#partitions.delete(pk);
    }
    for (const view of this.views) view.changed({ pk, sk }, row);
  }

  #forgetTokens(nowMs: number): void {
    for (const [token, atMs] of this.#tokens) {
      if (nowMs - atMs < storeTokenMs) return;
      this.#tokens.delete(token);
    }
  }
}

/** First position whose key is not before `sk`. */
function lowerBound(sks: readonly string[], sk: string): number {
  let low = 0;
  let high = sks.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareBytewise(sks[middle]!, sk) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

interface Watcher {
  readonly onChange: (change: RowChange) => void;
  stopped: boolean;
}

interface Delivery {
  readonly watchers: readonly Watcher[];
  readonly key: RowKey;
  change: RowChange;
}

class MemoryView implements MetadataStore {
  readonly #rows: MemoryRows;
  readonly #clock: Clock;
  readonly #faults: StoreFaults | undefined;
  readonly #watchers = new Map<string, Set<Watcher>>();
  /** Committed changes that are not delivered yet, of all partition keys in commit order. */
  #deliveries: Delivery[] = [];
  #draining = false;
  #closed = false;

  constructor(rows: MemoryRows, clock: Clock, faults: StoreFaults | undefined) {
    this.#rows = rows;
    this.#clock = clock;
    this.#faults = faults;
    rows.views.add(this);
  }

  get(key: RowKey): Promise<Row | undefined> {
    return this.#run({ op: 'get', key }, () => {
      checkKey(key);
      return this.#rows.get(key);
    });
  }

  range(pk: string, options: RangeOptions = {}): Promise<{ rows: Row[]; cursor?: string }> {
    return this.#run({ op: 'range', pk, options }, () => this.#rows.range(pk, options));
  }

  transact(ops: readonly StoreOp[], token?: string): Promise<void> {
    return this.#run({ op: 'transact', ops, token }, () => {
      checkLimits(ops, token);
      this.#rows.transact(ops, token);
    });
  }

  watch(pk: string, onChange: (change: RowChange) => void): () => void {
    this.#assertOpen();
    const watcher: Watcher = { onChange, stopped: false };
    let watchers = this.#watchers.get(pk);
    if (!watchers) this.#watchers.set(pk, (watchers = new Set()));
    watchers.add(watcher);
    return () => {
      watcher.stopped = true;
      watchers.delete(watcher);
      if (watchers.size === 0 && this.#watchers.get(pk) === watchers) this.#watchers.delete(pk);
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#rows.views.delete(this);
    for (const watchers of this.#watchers.values()) for (const watcher of watchers) watcher.stopped = true;
    this.#watchers.clear();
    this.#deliveries = [];
  }

  /** Called by MemoryRows inside the transaction. Delivery comes later, as in every durable driver. */
  changed(key: RowKey, row: Row | undefined): void {
    const watchers = this.#watchers.get(key.pk);
    if (!watchers) return;
    this.#deliveries.push({ watchers: [...watchers], key, change: { key, row } });
    if (this.#draining) return;
    this.#draining = true;
    this.#clock.endOfTurn(() => this.#drain());
  }

  #drain(): void {
    while (this.#deliveries.length > 0) {
      const delivery = this.#deliveries[0]!;
      if (!this.#mayDeliver(delivery.key)) {
        delivery.change = 'gap';
        this.#clock.after(gapRetryMs, () => this.#drain(), 'background');
        return;
      }
      this.#deliveries.shift();
      for (const watcher of delivery.watchers) if (!watcher.stopped) watcher.onChange(delivery.change);
    }
    this.#draining = false;
  }

  #mayDeliver(key: RowKey): boolean {
    try {
      this.#faults?.({ op: 'deliver', key });
      return true;
    } catch {
      return false;
    }
  }

  async #run<T>(operation: StoreOperation, effect: () => T): Promise<T> {
    this.#assertOpen();
    const fault = this.#faults?.(operation);
    if (fault?.delayMs) await sleep(this.#clock, fault.delayMs);
    // A lost reply hides a conflict as well as a success.
    const result = fault?.replyLost ? attempt(effect) : effect();
    if (fault?.replyDelayMs) await sleep(this.#clock, fault.replyDelayMs);
    if (fault?.replyLost) throw new StoreAmbiguous('the reply of the store was lost');
    return result as T;
  }

  #assertOpen(): void {
    if (this.#closed) throw new StoreUnavailable('the metadata store is closed');
  }
}

function attempt<T>(effect: () => T): T | undefined {
  try {
    return effect();
  } catch {
    return undefined;
  }
}
