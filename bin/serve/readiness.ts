/**
 * Whether this process serves, and why not: its doors, its brokers, and the disks under them. A process is not ready when
 * it can store nothing at all. Trouble on a single volume is reported beside 'ready': the other brokers' partitions are
 * served, and a balancer that sent clients elsewhere would make those unavailable as well.
 */
import type { Clock } from '../../engine/kernel/clock.ts';
import type { Controller } from '../../engine/controller/controller.ts';
import type { ShownReadiness } from '../../gateway/admin/options.ts';
import { diskTrouble, type WatchedPlace } from '../../infra/disk/disk-watch.ts';
import type { LmdbStore } from '../../tenancy/store/lmdb.ts';
import type { DataFolder } from '../data-folder.ts';
import type { LockWatch } from './lock-watch.ts';

export interface ReadinessParts {
  readonly clock: Clock;
  readonly folder: Pick<DataFolder, 'meta' | 'segments' | 'volume'>;
  /** What is wrong with the bucket of the segments; undefined when they lie in the folder. */
  readonly segmentsTrouble: (() => Promise<string | undefined>) | undefined;
  /** The free space that brokers leave on their volumes: below it they refuse records. */
  readonly freeBytesFloor: number;
  readonly store: Pick<LmdbStore, 'trouble'>;
  readonly lockWatch: Pick<LockWatch, 'trouble'>;
  readonly fleet: Pick<Controller, 'ready' | 'brokers'>;
}

/** LMDB has its own reserve inside its file: below this it may come to need it. */
const metaFreeBytesFloor = 16 * 1024 * 1024;
/** Disks are checked at most this often, however often somebody asks. */
const lookAgeMsMax = 1_000;

export class Readiness {
  readonly #parts: ReadinessParts;
  #isServing = false;
  #hasServed = false;
  #last: ShownReadiness = { isReady: false, reasons: [] };
  #looked: { readonly atMs: number; readonly disks: Promise<Disks> } | undefined;

  constructor(parts: ReadinessParts) {
    this.#parts = parts;
  }

  /** The doors are open, or closing. */
  serve(isServing: boolean): void {
    this.#isServing = isServing;
    this.#hasServed ||= isServing;
  }

  /** As of the last check of the disks. */
  isReady(): boolean {
    return this.#serves() && this.#last.isReady;
  }

  async look(): Promise<ShownReadiness> {
    const nowMs = this.#parts.clock.monotonicMs();
    if (!this.#looked || nowMs - this.#looked.atMs >= lookAgeMsMax) {
      this.#looked = { atMs: nowMs, disks: lookAtDisks(this.#parts) };
    }
    const disks = await this.#looked.disks;
    const reasons = [...this.#brokersAway(disks.isBucketAway), ...disks.reasons];
    this.#last = { isReady: this.#serves() && disks.canStore, reasons };
    return this.#last;
  }

  #serves(): boolean {
    return this.#isServing && this.#parts.fleet.ready();
  }

  #brokersAway(isBucketAway: boolean): string[] {
    const serves = this.#serves();
    // Beside 'ready' too: the partitions of a broker that cannot be recovered are not served.
    const away = this.#parts.fleet
      .brokers()
      .filter(({ state }) => state === 'fenced' || state === 'closed' || (state === 'starting' && !serves));
    // A closed session needs no bucket and starts within milliseconds, so what is seen here waits for a recovery.
    const isStopping = this.#hasServed && !this.#isServing;
    const reasons = away.map(({ brokerId, state }) =>
      isBucketAway && !isStopping && state !== 'starting'
        ? `broker ${brokerId} waits for the segment store, which must take what its log holds before it starts`
        : `broker ${brokerId} is ${state}`,
    );
    return reasons.length > 0 || serves ? reasons : ['the process is starting or stopping'];
  }
}

interface Disks {
  readonly canStore: boolean;
  readonly isBucketAway: boolean;
  readonly reasons: readonly string[];
}

async function lookAtDisks({
  clock,
  folder,
  segmentsTrouble,
  freeBytesFloor,
  store,
  lockWatch,
  fleet,
}: ReadinessParts): Promise<Disks> {
  const told = async (what: string, place: WatchedPlace): Promise<string[]> => {
    const trouble = await diskTrouble(clock, place);
    return trouble === undefined ? [] : [`the disk of ${what} ${trouble}`];
  };
  const [bucket, meta, segments, ...volumes] = await Promise.all([
    segmentsTrouble?.(),
    told('the metadata store', { path: folder.meta, freeBytesFloor: metaFreeBytesFloor }),
    segmentsTrouble ? [] : told('the segments', { path: folder.segments, freeBytesFloor }),
    ...fleet
      .brokers()
      .map(({ brokerId }) => told(`broker ${brokerId}`, { path: folder.volume(brokerId), freeBytesFloor })),
  ]);
  const trouble = store.trouble() ?? lockWatch.trouble();
  const shared = [...meta, ...(meta.length === 0 && trouble !== undefined ? [trouble] : []), ...segments];
  const isEveryVolume = volumes.length > 0 && volumes.every((each) => each.length > 0);
  // Without its bucket a broker still stores, until its write-ahead log is full.
  const reasons = [...shared, ...(bucket === undefined ? [] : [bucket]), ...volumes.flat()];
  return { canStore: shared.length === 0 && !isEveryVolume, isBucketAway: bucket !== undefined, reasons };
}
