/** Limits of the log, each with its default, bounds, reason, and its unit in the name. */
import { InvalidRequest } from '../kernel/failure.ts';
import { storeOpsMax } from '../ports.ts';

export interface LogSettings {
  /** What an acknowledgement promises: 'fsync' survives power loss, 'page-cache' the death of the process. */
  readonly durability: 'fsync' | 'page-cache';
  /** A chunk file is closed when the next write would exceed this. A single larger write still goes into one chunk. */
  readonly walChunkBytesMax: number;
  /** A roll-up starts when only the WAL and memory hold this much. */
  readonly rollUpBytes: number;
  /** Appends wait above this. It bounds memory and the time of a recovery. */
  readonly unrolledBytesMax: number;
  /** When more than this waits for a roll-up, further appends are refused with KAFKA_STORAGE_ERROR. */
  readonly waitingBytesMax: number;
  /** Appends that wait are refused when no roll-up has made room for this long, and later ones at once until there is room. */
  readonly waitingMsMax: number;
  /** Appends are refused while the volume has less free space than this, so that roll-ups still find room. */
  readonly freeBytesFloor: number;
  /** How often the free space is checked. */
  readonly freeSpaceIntervalMs: number;
  /** How often held acknowledgements check the lease again. */
  readonly leaseRetryMs: number;
  /** A log's last segment is rewritten into the next one when smaller than this, so that slow logs do not collect tiny segments. */
  readonly mergeBytesMax: number;
  /**
   * Tails up to this are written into a segment file when their logs are released or recovered. Larger ones are published
   * by reference, and written later when nobody waits.
   */
  readonly copiedBytesMax: number;
  /**
   * Where segments lie behind a network: how long a release may take until its logs stop serving, and how long they then
   * stop, before it is given up and they serve on.
   */
  readonly releaseBeginMsMax: number;
  readonly releasePauseMsMax: number;
  /** One sparse index entry per this many bytes. */
  readonly indexIntervalBytes: number;
  /** Segment files are written in slices of at most this; the event loop turns between slices. */
  readonly writeSliceBytes: number;
  /**
   * Reads of at most this block the loop instead of going to the thread pool. This applies to segments written within
   * recentSegmentMs, and to files whose last read, within the same time, took no longer than syncReadMsMax.
   */
  readonly syncReadBytesMax: number;
  readonly syncReadMsMax: number;
  readonly recentSegmentMs: number;
  /** Largest single read of a segment for one fetch. */
  readonly readBytesMax: number;
  readonly openFilesMax: number;
  readonly indexCacheBytesMax: number;
  readonly waitersPerLogMax: number;
  /** Producers remembered per log; the least recently used goes first. */
  readonly producersPerLogMax: number;
  /** The same limit over all logs of the broker (fold/producer-room.ts). */
  readonly producersMax: number;
  /** Kafka's producer.id.expiration.ms. */
  readonly producerIdExpirationMs: number;
  readonly retentionIntervalMs: number;
  /** How fast the scrub reads stored bytes again to check that they are still what was written; 0: only on request. */
  readonly scrubBytesPerSecondMax: number;
  readonly scrubSliceBytes: number;
  /** Time from the session's start to the first pass, and from the end of one pass to the next. */
  readonly scrubDelayMs: number;
  readonly scrubIntervalMs: number;
  /** Most logs that one transaction publishes, or segments that it moves or deletes. The store's own limits apply as well. */
  readonly segmentsPerTransactionMax: number;
  /** Logs whose rows are read, or whose roll-up is planned, before the event loop turns. */
  readonly logsTogetherMax: number;
  /** Transactions sent to the store at the same time: one commit covers some hundred logs without holding its lock for long. */
  readonly transactionsTogetherMax: number;
  /** Logs per segment file. Bounds the file's table, and how long work for all of them at once holds the event loop. */
  readonly logsPerFileMax: number;
  /** A segment file without a row is removed after this time. */
  readonly orphanGraceMs: number;
  /** First and longest wait between attempts at the metadata store, and when to give up on one transaction. */
  readonly storeRetryMs: number;
  readonly storeRetryMsMax: number;
  readonly storeRetryTotalMsMax: number;
}

const KiB = 1024;
const MiB = 1024 * KiB;

export const logSettingsDefault: LogSettings = {
  durability: 'fsync',
  walChunkBytesMax: 16 * MiB,
  rollUpBytes: 16 * MiB,
  unrolledBytesMax: 64 * MiB,
  waitingBytesMax: 32 * MiB,
  waitingMsMax: 5_000,
  freeBytesFloor: 256 * MiB,
  freeSpaceIntervalMs: 1000,
  leaseRetryMs: 10,
  mergeBytesMax: 64 * KiB,
  copiedBytesMax: 256 * KiB,
  // Together less than a controller waits for the answer. A gateway holds writes for longer than the pause.
  releaseBeginMsMax: 10_000,
  releasePauseMsMax: 1_500,
  indexIntervalBytes: 4 * KiB,
  writeSliceBytes: MiB,
  syncReadBytesMax: MiB,
  syncReadMsMax: 1,
  recentSegmentMs: 60_000,
  readBytesMax: 4 * MiB,
  openFilesMax: 256,
  indexCacheBytesMax: 16 * MiB,
  waitersPerLogMax: 10_000,
  producersPerLogMax: 10_000,
  producersMax: 500_000,
  producerIdExpirationMs: 86_400_000,
  retentionIntervalMs: 60_000,
  scrubBytesPerSecondMax: 8 * MiB,
  scrubSliceBytes: 256 * KiB,
  scrubDelayMs: 300_000,
  scrubIntervalMs: 86_400_000,
  segmentsPerTransactionMax: storeOpsMax,
  logsTogetherMax: 32,
  transactionsTogetherMax: 8,
  logsPerFileMax: 2048,
  orphanGraceMs: 3_600_000,
  storeRetryMs: 10,
  storeRetryMsMax: 1000,
  storeRetryTotalMsMax: 60_000,
};

/** Inclusive. The lower bounds are what the code needs, not what is wise. */
const bounds: Readonly<Record<Exclude<keyof LogSettings, 'durability'>, readonly [min: number, max: number]>> = {
  walChunkBytesMax: [256, 256 * MiB],
  rollUpBytes: [1024, 256 * MiB],
  unrolledBytesMax: [1024, 1024 * MiB],
  waitingBytesMax: [1024, 1024 * MiB],
  waitingMsMax: [1, 60_000],
  freeBytesFloor: [0, 1024 * 1024 * MiB],
  freeSpaceIntervalMs: [10, 60_000],
  leaseRetryMs: [1, 1000],
  mergeBytesMax: [0, 16 * MiB],
  copiedBytesMax: [0, 1024 * MiB],
  releaseBeginMsMax: [1, 60_000],
  releasePauseMsMax: [1, 60_000],
  indexIntervalBytes: [64, MiB],
  writeSliceBytes: [512, 16 * MiB],
  syncReadBytesMax: [0, MiB],
  syncReadMsMax: [1, 1000],
  recentSegmentMs: [0, 3_600_000],
  readBytesMax: [64 * KiB, 64 * MiB],
  openFilesMax: [1, 100_000],
  indexCacheBytesMax: [0, 1024 * MiB],
  waitersPerLogMax: [1, 1_000_000],
  producersPerLogMax: [1, 1_000_000],
  producersMax: [1, 100_000_000],
  producerIdExpirationMs: [1000, 366 * 86_400_000],
  retentionIntervalMs: [100, 366 * 86_400_000],
  scrubBytesPerSecondMax: [0, 1024 * MiB],
  scrubSliceBytes: [512, 16 * MiB],
  scrubDelayMs: [1, 366 * 86_400_000],
  scrubIntervalMs: [1000, 366 * 86_400_000],
  segmentsPerTransactionMax: [1, storeOpsMax],
  logsTogetherMax: [1, 1024],
  transactionsTogetherMax: [1, 64],
  logsPerFileMax: [1, 100_000],
  orphanGraceMs: [1000, 366 * 86_400_000],
  storeRetryMs: [1, 10_000],
  storeRetryMsMax: [1, 60_000],
  storeRetryTotalMsMax: [100, 3_600_000],
};

/** Throws InvalidRequest that names the setting and the values it takes. */
export function checkLogSettings(settings: LogSettings): void {
  for (const [name, [min, max]] of Object.entries(bounds)) {
    const value = settings[name as keyof typeof bounds];
    if (!Number.isInteger(value) || value < min || value > max) {
      throw new InvalidRequest(name, `${name}=${value}: use a whole number from ${min} to ${max}`);
    }
  }
  if (settings.rollUpBytes > settings.unrolledBytesMax) {
    // Otherwise appends would wait for a roll-up that never starts.
    throw new InvalidRequest('rollUpBytes', `rollUpBytes=${settings.rollUpBytes} is above unrolledBytesMax`);
  }
}
