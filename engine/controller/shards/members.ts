/**
 * Which controllers exist and which shards they own, as the store's rows say and their leases prove. Every controller
 * looks for itself, on its own clock. Two may differ for a while, and the conditions of their writes settle it.
 */
import type { ControllerEntry, ShardEntry } from '../../engine.ts';
import type { Clock } from '../../kernel/clock.ts';
import type { MetadataStore, Row } from '../../ports.ts';
import { unlessDamaged } from '../../store-row-json.ts';
import { observe, type ObservedLease } from '../lease.ts';
import { controllerLeasePrefix, leasesPk } from '../rows/lease.ts';
import { decodeShard, shardCount, shardKey, shardOwner, shardsPk } from '../rows/shard.ts';

/** One look at all controllers. */
export interface Membership {
  /**
   * Controllers whose leases have not been seen to lapse, and whose processes are not known to be gone or stopped;
   * sorted.
   */
  readonly alive: readonly string[];
  /** Controllers whose leases have not been seen to lapse, but which do nothing until they are resumed. */
  readonly stopped: readonly string[];
  /** Lease rows of the other controllers, to be removed by the one that inherits. */
  readonly lapsed: readonly Row[];
  /** By shard. */
  readonly rows: readonly (Row | undefined)[];
  readonly owners: readonly (string | undefined)[];
}

const nobody: Membership = {
  alive: [],
  stopped: [],
  lapsed: [],
  rows: Array.from({ length: shardCount }, () => undefined),
  owners: Array.from({ length: shardCount }, () => undefined),
};

/** What is remembered of one controller's lease. */
interface Seen {
  /** As observed since the last gap between looks. */
  readonly lease: ObservedLease;
  /** As observed since the row has its current form, across gaps. */
  readonly whole: ObservedLease;
  /** Gaps in that time. */
  readonly gaps: number;
  /** How long its process has been stopped, as far as we looked; undefined when it is not stopped. */
  readonly stoppedMs: number | undefined;
}

/** What the operating system knows about a controller's process, by controller id. */
export interface ControllerProcesses {
  isGone(controllerId: string): boolean;
  /** Stopped by one signal, until another resumes it. */
  isStopped(controllerId: string): boolean;
}

const unknownProcesses: ControllerProcesses = { isGone: () => false, isStopped: () => false };

/**
 * More than the time between two looks can count for: a process that was stopped together with us also resumes with us.
 */
const stoppedMsMax = 250;
const stoppedLookMsMax = 200;

/**
 * This many gaps in a row are no sleep of ours: a machine that stops all processes lets them run in between, and a live
 * holder renews several times per lease. Without this rule, a controller that always looks rarely would never see a
 * lease lapse.
 */
const provingGaps = 4;

export class Members {
  readonly #store: MetadataStore;
  readonly #clock: Clock;
  readonly #gapMsMax: number;
  readonly #processes: ControllerProcesses;
  #seen = new Map<string, Seen>();
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  /** As of the last look. */
  last: Membership = nobody;

  /**
   * `gapMsMax`: one longer gap between good looks proves nothing about the others, because the observer was stopped or
   * the store unavailable. Several such gaps do, when a look between every two finds the same row. What was proven
   * before stays proven: a lapsed lease is alive again once it is renewed, not because nobody looked. At worst a shard
   * of a live controller is taken, by a write conditional on its row. Brokers, which a verdict kills, have another
   * judge (fault-detector.ts).
   *
   * `processes`: when the system knows that a process has ended or stays stopped, nobody has to wait for its lease. A
   * wrong answer does no more harm than a wrong verdict of ours.
   */
  constructor(store: MetadataStore, clock: Clock, gapMsMax: number, processes = unknownProcesses) {
    this.#store = store;
    this.#clock = clock;
    this.#gapMsMax = gapMsMax;
    this.#processes = processes;
  }

  /** Throws the store's failures. */
  async look(): Promise<Membership> {
    // At most 64 shards and a few hundred leases: one page each. Shards come first: an owner had its lease before its
    // shard.
    const shards = await this.#store.range(shardsPk);
    const leases = await this.#store.range(leasesPk, { from: controllerLeasePrefix, to: afterPrefix });
    const nowMs = this.#clock.monotonicMs();
    const passedMs = nowMs - this.#lookedAtMs;
    this.#lookedAtMs = nowMs;
    const seen = new Map<string, Seen>();
    const alive: string[] = [];
    const stopped: string[] = [];
    const lapsed: Row[] = [];
    for (const row of leases.rows) {
      const controllerId = row.sk.slice(controllerLeasePrefix.length);
      const known = this.#seen.get(controllerId);
      const isStopped = this.#processes.isStopped(controllerId);
      const stoppedMs = isStopped ? stoppedFor(known, passedMs) : undefined;
      const now = { ...lookAt(known, row, nowMs, passedMs > this.#gapMsMax), stoppedMs };
      seen.set(controllerId, now);
      if (now.lease.dead || this.#processes.isGone(controllerId)) lapsed.push(row);
      else if (stoppedMs !== undefined && stoppedMs >= stoppedMsMax) stopped.push(controllerId);
      else alive.push(controllerId);
    }
    this.#seen = seen;
    const bySk = new Map(shards.rows.map((row) => [row.sk, row]));
    const rows = nobody.rows.map((_, index) => bySk.get(shardKey(index).sk));
    const owners = rows.map(shardOwner);
    this.last = { alive: alive.sort(), stopped, lapsed, rows, owners };
    return this.last;
  }

  controllers(): ControllerEntry[] {
    const { alive, owners } = this.last;
    const ids = new Set([...alive, ...owners.filter((owner) => owner !== undefined)]);
    return [...ids].sort().map((controllerId) => ({
      controllerId,
      alive: alive.includes(controllerId),
      shards: owners.filter((owner) => owner === controllerId).length,
      keepsFleet: owners[0] === controllerId,
    }));
  }

  shards(): ShardEntry[] {
    return this.last.rows.map((row, index) => {
      const shard = row && unlessDamaged(row, decodeShard);
      return { index, controllerId: shard?.controllerId, epoch: shard?.epoch ?? 0 };
    });
  }
}

/**
 * Counts from the first look that saw the process stopped. A late look counts as if on time: we may have been stopped
 * as well.
 */
function stoppedFor(known: Seen | undefined, passedMs: number): number {
  return known?.stoppedMs === undefined ? 0 : known.stoppedMs + Math.min(passedMs, stoppedLookMsMax);
}

function lookAt(known: Seen | undefined, row: Row, nowMs: number, hasGap: boolean): Omit<Seen, 'stoppedMs'> {
  const whole = observe(known?.whole, row, nowMs)!;
  const isSame = known !== undefined && whole.version === known.whole.version && whole.value === known.whole.value;
  const gaps = isSame ? known.gaps + (hasGap ? 1 : 0) : 0;
  if (whole.dead && gaps >= provingGaps) return { lease: whole, whole, gaps };
  const lease = observe(hasGap && !known?.lease.dead ? undefined : known?.lease, row, nowMs)!;
  return { lease, whole, gaps };
}

/** The first key after all keys with the prefix, which ends in '-'. */
const afterPrefix = `${controllerLeasePrefix.slice(0, -1)}.`;
