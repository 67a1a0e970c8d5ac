/**
 * Usage per cluster: plain numbers on the data path, added to one durable row per cluster from time to time. The row holds
 * what all gateways have counted, so usage() is that row plus what this process has not written yet. A crash loses at most
 * one interval of its gateway.
 */
import type { Timer } from '../../engine/kernel/clock.ts';
import { StoreAmbiguous, StoreConflict } from '../../engine/ports.ts';
import { getSurely, type Persistence, transactSurely } from '../../engine/store-surely.ts';
import { clusterKey } from '../rows/cluster.ts';
import { decodeUsage, encodeUsage, type UsageRow, usageKey } from '../rows/usage.ts';
import type { ClusterLimits, Meter, Usage } from '../tenancy.ts';
import type { WatchedRows } from '../watched-rows.ts';
import { untilNoConflict } from '../write-rows.ts';
import { addCounted, type Counters, noCounters } from './counters.ts';

interface ClusterCounters {
  /** Counted since the last write. */
  fresh: Counters;
  /** Being written as part of the row's version `version`. */
  writing: { readonly counters: Counters; version: number } | undefined;
  readonly counted: Counters;
}

export interface MeterOptions {
  readonly persistence: Persistence;
  readonly rows: WatchedRows<UsageRow>;
  readonly flushMs: number;
  readonly storeWaitMsMax: number;
  fault(clusterId: string, cause: unknown): void;
}

export class UsageMeter implements Meter {
  readonly #options: MeterOptions;
  readonly #clusters = new Map<string, ClusterCounters>();
  /** Since the process began, of clusters that exist. */
  readonly #counted = new Map<string, Counters>();
  #timer: Timer | undefined;
  #flushing: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: MeterOptions) {
    this.#options = options;
    this.#schedule();
  }

  produced(clusterId: string, records: number, bytes: number): void {
    const { fresh, counted } = this.#of(clusterId);
    fresh.producedRecords += records;
    fresh.producedBytes += bytes;
    counted.producedRecords += records;
    counted.producedBytes += bytes;
  }

  fetched(clusterId: string, records: number, bytes: number): void {
    const { fresh, counted } = this.#of(clusterId);
    fresh.fetchedRecords += records;
    fresh.fetchedBytes += bytes;
    counted.fetchedRecords += records;
    counted.fetchedBytes += bytes;
  }

  throttled(clusterId: string, quota: keyof ClusterLimits, delayMs: number): void {
    const { fresh, counted } = this.#of(clusterId);
    for (const { throttledMs } of [fresh, counted]) throttledMs[quota] = (throttledMs[quota] ?? 0) + delayMs;
  }

  usage(clusterId: string): Usage {
    const total = noCounters();
    const row = this.#options.rows.get(clusterId);
    if (row) addCounted(total, row.value);
    const own = this.#clusters.get(clusterId);
    // The feed can deliver our own write before the store has answered it; the row then includes these counters already.
    if (own?.writing && !(row && row.version >= own.writing.version)) addCounted(total, own.writing.counters);
    if (own) addCounted(total, own.fresh);
    return { clusterId, ...total };
  }

  counted(clusterId: string): Usage {
    return { clusterId, ...(this.#counted.get(clusterId) ?? noCounters()) };
  }

  /** The cluster is gone. */
  forget(clusterId: string): void {
    this.#counted.delete(clusterId);
  }

  /** Makes everything counted so far durable, as far as the store allows. One flush at a time. */
  flush(): Promise<void> {
    this.#flushing = this.#flushing.then(() => this.#flushAll());
    return this.#flushing;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    await this.flush();
  }

  #of(clusterId: string): ClusterCounters {
    let counters = this.#clusters.get(clusterId);
    if (!counters) {
      let counted = this.#counted.get(clusterId);
      if (!counted) this.#counted.set(clusterId, (counted = noCounters()));
      this.#clusters.set(clusterId, (counters = { fresh: noCounters(), writing: undefined, counted }));
    }
    return counters;
  }

  #schedule(): void {
    const run = async (): Promise<void> => {
      await this.flush();
      if (!this.#closed) this.#schedule();
    };
    this.#timer = this.#options.persistence.clock.after(this.#options.flushMs, () => void run(), 'background');
  }

  async #flushAll(): Promise<void> {
    // A copy: clusters that come back while a write is awaited are handled by the next flush.
    const present = [...this.#clusters];
    for (const [clusterId, counters] of present) {
      // Silent since the last flush: it leaves the map and returns with its next record.
      if (isZero(counters.fresh)) this.#clusters.delete(clusterId);
      else await this.#flushCluster(clusterId, counters);
    }
  }

  async #flushCluster(clusterId: string, counters: ClusterCounters): Promise<void> {
    const writing = { counters: counters.fresh, version: Infinity };
    counters.writing = writing;
    counters.fresh = noCounters();
    try {
      await untilNoConflict(() => this.#write(clusterId, writing));
    } catch (cause) {
      this.#options.fault(clusterId, cause);
      // It is unknown whether this was written: leaving out an interval is better than billing it twice.
      if (!(cause instanceof StoreAmbiguous)) addCounted(counters.fresh, writing.counters);
    }
    counters.writing = undefined;
  }

  async #write(clusterId: string, writing: { readonly counters: Counters; version: number }): Promise<void> {
    const { persistence, rows, storeWaitMsMax } = this.#options;
    const key = usageKey(clusterId);
    const row = await getSurely(persistence, key, storeWaitMsMax);
    const next = noCounters();
    if (row) addCounted(next, decodeUsage(row));
    addCounted(next, writing.counters);
    writing.version = (row?.version ?? 0) + 1;
    const condition = row ? { version: row.version } : ({ absent: true } as const);
    try {
      await transactSurely(
        persistence,
        [
          { op: 'check', key: clusterKey(clusterId), if: { exists: true } },
          { op: 'put', key, value: encodeUsage(next), if: condition },
        ],
        storeWaitMsMax,
      );
    } catch (error) {
      // The cluster is gone, and its usage with it.
      if (error instanceof StoreConflict && error.index === 0) return this.forget(clusterId);
      throw error;
    }
    rows.put(clusterId, next, writing.version);
  }
}

function isZero(counters: Counters): boolean {
  const { producedBytes, producedRecords, fetchedBytes, fetchedRecords, throttledMs } = counters;
  return producedBytes + producedRecords + fetchedBytes + fetchedRecords === 0 && Object.keys(throttledMs).length === 0;
}
