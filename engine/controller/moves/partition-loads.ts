/**
 * Every partition's load, from the brokers' reports: an average that halves in two reports (ten seconds), and a peak
 * that halves in twelve (a minute). A partition counts with its average, or with half its peak when that is more. So a
 * bursty partition keeps room for its next burst, and a quiet one lets its room go. Idle partitions take no memory.
 */
import type { BrokerLoad } from '../../engine.ts';
import { type BrokerCapacity, idleLoad, type Load, loadOfRates, peakOf, wholeBroker } from '../../placement/load.ts';

export interface LoadReport {
  readonly elapsedMs: number;
  readonly logs: readonly {
    readonly topicId: string;
    readonly partition: number;
    readonly bytesIn: number;
    readonly bytesOut: number;
    readonly requests: number;
  }[];
}

const averageHalfLifeReports = 2;
const peakHalfLifeReports = 12;
const peakWeight = 0.5;
/** Below a thousandth of a request per second, the partition counts as unused. */
const idleRequestsPerSecond = 0.001;

/** Rates per second: bytes in, bytes out, requests. */
type Rates = [number, number, number];

/** The shares of the former average and peak that remain after some time. */
interface Kept {
  readonly average: number;
  readonly peak: number;
}

interface Entry {
  readonly average: Rates;
  readonly peak: Rates;
  /** The broker that reported it last. */
  brokerId: number;
}

export class PartitionLoads {
  readonly #capacity: BrokerCapacity;
  readonly #reportIntervalMs: number;
  readonly #entries = new Map<string, Entry>();

  constructor(capacity: BrokerCapacity, reportIntervalMs: number) {
    this.#capacity = capacity;
    this.#reportIntervalMs = reportIntervalMs;
  }

  /** Takes a broker's report of `elapsedMs`. Partitions that it reported last time and does not name now were idle. */
  report(brokerId: number, { elapsedMs, logs }: LoadReport): void {
    if (elapsedMs <= 0) return;
    const keep = this.#kept(elapsedMs);
    const perSecond = 1000 / elapsedMs;
    const named = new Set<Entry>();
    for (const { topicId, partition, bytesIn, bytesOut, requests } of logs) {
      const key = topicId + partition;
      let entry = this.#entries.get(key);
      if (!entry) this.#entries.set(key, (entry = { average: [0, 0, 0], peak: [0, 0, 0], brokerId }));
      entry.brokerId = brokerId;
      named.add(entry);
      age(entry, [bytesIn * perSecond, bytesOut * perSecond, requests * perSecond], keep);
    }
    this.#idle((entry) => entry.brokerId === brokerId && !named.has(entry), keep);
  }

  /**
   * Treats partitions last reported by these brokers, which no longer report, as idle for `elapsedMs`: a new owner
   * would have reported them.
   */
  left(brokerIds: ReadonlySet<number>, elapsedMs: number): void {
    if (brokerIds.size > 0) this.#idle(({ brokerId }) => brokerIds.has(brokerId), this.#kept(elapsedMs));
  }

  #kept(elapsedMs: number): Kept {
    const reports = elapsedMs / this.#reportIntervalMs;
    return { average: 2 ** (-reports / averageHalfLifeReports), peak: 2 ** (-reports / peakHalfLifeReports) };
  }

  #idle(isIdle: (entry: Entry) => boolean, keep: Kept): void {
    for (const [key, entry] of this.#entries) {
      if (!isIdle(entry)) continue;
      age(entry, [0, 0, 0], keep);
      if (entry.peak[2] < idleRequestsPerSecond) this.#entries.delete(key);
    }
  }

  of(topicId: string, partition: number): Load {
    if (this.#entries.size === 0) return idleLoad;
    const entry = this.#entries.get(topicId + partition);
    return entry ? this.#loadOf(entry) : idleLoad;
  }

  /** Sums by the broker that reported last. */
  byBroker(): Map<number, [bytesIn: number, bytesOut: number, requests: number]> {
    const sums = new Map<number, [number, number, number]>();
    for (const entry of this.#entries.values()) {
      const load = this.#loadOf(entry);
      let sum = sums.get(entry.brokerId);
      if (!sum) sums.set(entry.brokerId, (sum = [0, 0, 0]));
      for (let d = 0; d < 3; d++) sum[d]! += load[d]!;
    }
    return sums;
  }

  /** Each broker's average rates, and its share of capacity with bursts counted in; absent when the broker is idle. */
  shown(): Map<number, BrokerLoad> {
    const shares = this.byBroker();
    const rates = new Map<number, Rates>();
    for (const { brokerId, average } of this.#entries.values()) {
      const sum = rates.get(brokerId) ?? [0, 0, 0];
      rates.set(brokerId, [sum[0] + average[0], sum[1] + average[1], sum[2] + average[2]]);
    }
    return new Map(
      [...rates].map(([brokerId, [bytesInPerSecond, bytesOutPerSecond, requestsPerSecond]]) => {
        const share = peakOf(shares.get(brokerId)!) / wholeBroker;
        return [brokerId, { bytesInPerSecond, bytesOutPerSecond, requestsPerSecond, share }];
      }),
    );
  }

  #loadOf({ average, peak }: Entry): Load {
    const rate = (d: 0 | 1 | 2): number => Math.max(average[d], peak[d] * peakWeight);
    return loadOfRates(rate(0), rate(1), rate(2), this.#capacity);
  }
}

function age(entry: Entry, rates: Rates, keep: Kept): void {
  for (let d = 0; d < 3; d++) {
    entry.average[d] = entry.average[d]! * keep.average + rates[d]! * (1 - keep.average);
    entry.peak[d] = Math.max(rates[d]!, entry.peak[d]! * keep.peak);
  }
}
