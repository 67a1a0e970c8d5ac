/**
 * What is known of every partition's load, from the brokers' reports: an average that forgets by half in two reports (ten
 * seconds), and a peak that forgets by half in twelve (a minute). A partition counts with its average, or with half of its peak when that is more: a
 * bursty one keeps room for the next burst, a quiet one is let go. What is idle takes no memory.
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
/** Below a thousandth of a request per second nobody uses the partition. */
const idleRequestsPerSecond = 0.001;

/** Rates per second: bytes in, bytes out, requests. */
type Rates = [number, number, number];

/** Shares of the former average and peak that are left after some time. */
interface Kept {
  readonly average: number;
  readonly peak: number;
}

interface Entry {
  readonly average: Rates;
  readonly peak: Rates;
  /** Who reported it last. */
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

  /** Takes a broker's report of `elapsedMs`; partitions that it last reported and does not name were idle. */
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

  /** What brokers reported last that report no more has been idle for `elapsedMs`: its next owner would have told of it. */
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

  /** Sums over what each broker reported last. */
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

  /** What each broker carries on average, and how much of a broker that is, bursts counted in; absent when it is idle. */
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
