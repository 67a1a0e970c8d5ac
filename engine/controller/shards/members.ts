/**
 * Who the controllers are and which shards they own, as the store's rows say and their leases prove. Every controller
 * looks for itself, on its own clock; two may differ for a while, and the conditions of their writes settle it.
 */
import type { ControllerEntry, ShardEntry } from '../../engine.ts';
import type { Clock } from '../../kernel/clock.ts';
import type { MetadataStore, Row } from '../../ports.ts';
import { observe, type ObservedLease } from '../lease.ts';
import { controllerLeasePrefix, leasesPk } from '../rows/lease.ts';
import { decodeShard, shardCount, shardKey, shardsPk } from '../rows/shard.ts';

/** A look at all of them. */
export interface Membership {
  /** Whose leases have not been seen to lapse, and whose processes are not known to be gone or stopped; sorted. */
  readonly alive: readonly string[];
  /** Whose leases have not been seen to lapse, and who do nothing until somebody lets them go on. */
  readonly stopped: readonly string[];
  /** Lease rows of the others, to be removed by whoever inherits. */
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
  /** Since the last gap between looks. */
  readonly lease: ObservedLease;
  /** Since the row is as it is, gaps or not. */
  readonly whole: ObservedLease;
  /** In that time. */
  readonly gaps: number;
  /** For how long its process has been stopped, as far as we looked; undefined when it is not. */
  readonly stoppedMs: number | undefined;
}

/** What the system says of a controller's process, by the controller's id. */
export interface ControllerProcesses {
  isGone(controllerId: string): boolean;
  /** By a signal, until another lets it go on. */
  isStopped(controllerId: string): boolean;
}

const unknownProcesses: ControllerProcesses = { isGone: () => false, isStopped: () => false };

/** More than the time between two looks can count for: what was stopped with us goes on with us. */
const stoppedMsMax = 250;
const stoppedLookMsMax = 200;

/**
 * So many gaps in a row are no sleep of ours: a machine that stops everybody lets everybody go on in between, and a holder
 * that is alive renews several times in a lease. Who looks seldom, always, would see nobody die otherwise.
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
   * `gapMsMax`: a longer gap between good looks proves nothing about the others: who looks was stopped, or the store away. Several
   * do, with a look at the same row between each two. What was proven before stays so: a lease that had lapsed is alive again
   * once it is renewed, not because nobody looked. At worst a shard of somebody alive is taken, by a write on condition of its
   * row; brokers, who are killed on a verdict, have another judge (fault-detector.ts).
   *
   * `processes`: where the system knows that one has ended, or stays stopped, nobody has to wait for its lease. Wrong it does
   * no more harm than a verdict of ours.
   */
  constructor(store: MetadataStore, clock: Clock, gapMsMax: number, processes = unknownProcesses) {
    this.#store = store;
    this.#clock = clock;
    this.#gapMsMax = gapMsMax;
    this.#processes = processes;
  }

  /** Throws the store's failures. */
  async look(): Promise<Membership> {
    // At most 64 shards and a few hundred leases: one page each. In this order: whoever owns a shard had its lease before.
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
    const owners = rows.map((row) => row && decodeShard(row).controllerId);
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
      const shard = row && decodeShard(row);
      return { index, controllerId: shard?.controllerId, epoch: shard?.epoch ?? 0 };
    });
  }
}

/** From the first look on that saw it so. A look that comes late counts as if it were in time: we may have been stopped as well. */
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

/** The first key behind all that begin with the prefix, which ends in '-'. */
const afterPrefix = `${controllerLeasePrefix.slice(0, -1)}.`;
