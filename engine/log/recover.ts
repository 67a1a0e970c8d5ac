/**
 * Finishes what a dead broker session left behind: everything in its write-ahead log that is not published yet becomes
 * segments, through the same code as a roll-up. The caller must have made sure that the session can write no more (reaped,
 * or its lease expired and its row fenced). It may run again after a crash at any point: published batches are skipped.
 *
 * Where the log's chunks can be kept by reference, data known to be synced is not written again. The time then depends on
 * the log's size only through reading it once. The rest, mostly the last commit, is written: WalScan.durableLsn says why a
 * sync would not do.
 */
import type { Clock } from '../kernel/clock.ts';
import type { Random } from '../kernel/random.ts';
import { Failure } from '../kernel/failure.ts';
import { type Uuid, uuidText } from '../kernel/uuid.ts';
import type { Disk, MetadataStore, SegmentStore, StoreOp } from '../ports.ts';
import { baseOffset, lastOffset, leaderEpoch } from '../records/batch.ts';
import { removeFiles, sweepFiles } from './rows/change-rows.ts';
import { type FoundLog, LogBehind, readDeadLog, type RecoveryAhead } from './dead-log.ts';
import { loadLogEnd } from './partition/load-log.ts';
import { DataCorrupt } from './log.ts';
import { announceAhead, type BatchPlace, rollUp, type RollUpContext, type RollUpLog } from './upkeep/roll-up.ts';
import { segmentFilePrefix } from './rows/segment-file.ts';
import type { WalScan } from './wal/scan-wal.ts';
import { SegmentReader } from './segments/segment-reader.ts';
import type { LogSettings } from './settings.ts';
import { givenUpPath, isWalSpare, removeUnused, walChunkNumber, walDirectory } from './wal/wal-format.ts';

export interface RecoverOptions {
  readonly disk: Disk;
  readonly store: MetadataStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly settings: LogSettings;
  readonly volume: string;
  readonly segments: SegmentStore;
  /** The broker id of the dead session. */
  readonly brokerId: number;
  readonly sessionEpoch: number;
  /** Part of every transaction: checks the dead session's row as the recoverer left it, and the recoverer's own right. */
  guard(): readonly StoreOp[];
  /**
   * The session's row says that its log was published before, so others may own the logs by now. Nothing is read or
   * published again; only the removal is left. A session that was fenced by its lease may be a process that still writes.
   * Its late batches lie behind what was published and were acknowledged to nobody, but they would land among the next
   * owner's batches.
   */
  readonly isPublished?: boolean;
  /**
   * How much of the log was known to be on the disk, in bytes of the session's stream (see LogStore.syncedLsn). A crash or
   * a power loss cannot leave less than that. Absent: nothing is known.
   */
  readonly syncedLsn?: number | undefined;
  /** The part that was begun before the fence and announced with it. */
  readonly ahead?: RecoveryAhead | undefined;
  /** The dead session's row as it must be once everything is published, under guard()'s condition. */
  readonly seal?: StoreOp;
  /** Returns false for a log whose topic is deleted: its batches in the WAL are dropped. Absent: all are kept. */
  keeps?(topicId: Uuid, partition: number): boolean;
}

interface RecoveredLog {
  readonly topicId: Uuid;
  readonly partition: number;
  readonly endOffset: number;
  /** Number of batches that had not been published before. */
  readonly batches: number;
}

export interface Recovery {
  readonly logs: readonly RecoveredLog[];
  readonly records: number;
  readonly walBytes: number;
  readonly ignoredBytes: number;
  readonly segmentsPublished: number;
}

const nothing: Recovery = { logs: [], records: 0, walBytes: 0, ignoredBytes: 0, segmentsPublished: 0 };

export interface PublishedWal extends Recovery {
  /**
   * Removes the log and everything else that is no longer needed. Separate, because other owners may take over first:
   * anyone who reads the log again finds all its batches below their logs' published ends.
   */
  readonly cleanUp: () => Promise<void>;
  /** Whether the seal is written; if not, the caller must write it. */
  readonly isSealed: boolean;
}

/** publishWal, followed by the removal. */
export async function recoverWal(options: RecoverOptions): Promise<Recovery> {
  const { cleanUp, isSealed: _, ...recovery } = await publishWal(options);
  await cleanUp();
  return recovery;
}

/**
 * Throws VolumeMissing, LogBehind, DataCorrupt (see scan-wal.ts), SessionFenced when a guard fails, and the failures of the
 * disk and the store.
 */
export async function publishWal(options: RecoverOptions): Promise<PublishedWal> {
  const { disk, volume, sessionEpoch, settings, brokerId } = options;
  const directory = walDirectory(volume, sessionEpoch);
  const reader = new SegmentReader(options);
  const context: RollUpContext = {
    ...options,
    guard: () => options.guard(),
    reader,
    leftovers: new Set(),
    isUrgent: true,
    onRemove: (fileId) => reader.forget(fileId),
  };
  const cleanUp = async (): Promise<void> => {
    await removeFiles(context, []);
    await sweepFiles(context, segmentFilePrefix(brokerId, sessionEpoch));
    await removeWal(disk, directory);
    if (disk.exists(givenUpPath(volume))) disk.remove(givenUpPath(volume));
  };
  if (options.isPublished) return { ...nothing, cleanUp, isSealed: false };
  // The file is announced with the fence, or else while the log is read: either way there is one commit less to wait for. A
  // failure surfaces where the file is needed, and does not matter otherwise. The sweep in cleanUp removes an unused file.
  const announcing = options.ahead ? Promise.resolve(options.ahead.fileId) : announceAhead(context, 0, false);
  announcing.catch(() => undefined);
  try {
    const { scan, logs, due } = await readLog(context, options, directory).catch(async (error: unknown) => {
      // A damaged log is read again and again, and no sweep runs in between. The file must not be removed later than here:
      // once rows that point into it may be on their way, only a sweep may remove it, because a sweep claims it first.
      const announced = await announcing.catch(() => undefined);
      if (announced !== undefined) await removeFiles(context, [announced]);
      throw error;
    });
    let segmentsPublished = 0;
    const count = (rolled: readonly unknown[]): void => void (segmentsPublished += rolled.length);
    const isPieced = placedBytesOf(due) > settings.copiedBytesMax;
    let isSealed = false;
    if (due.length > 0) {
      const announced = await announcing;
      isSealed = await (isPieced
        ? rollUp(context, due, 1, count)
        : rollUp(context, due.map(withoutPlaces), 0, count, announced));
    }
    const { records, bytes: walBytes, ignoredBytes } = scan;
    return { logs, records, walBytes, ignoredBytes, segmentsPublished, cleanUp, isSealed };
  } finally {
    reader.close();
  }
}

/** Reads what the WAL holds for each log, and which of it is not published. */
async function readLog(
  context: RollUpContext,
  options: RecoverOptions,
  directory: string,
): Promise<{ readonly scan: WalScan; readonly logs: readonly RecoveredLog[]; readonly due: readonly RollUpLog[] }> {
  const { disk, volume, sessionEpoch, settings, syncedLsn = 0 } = options;
  const { scan, logs: found } = await (options.ahead?.read ?? readDeadLog(options));
  const isGivenUp = disk.exists(givenUpPath(volume));
  if (!isGivenUp && scan.endLsn < syncedLsn) throw new LogBehind(volume, sessionEpoch, scan.endLsn, syncedLsn);
  // A log that cannot be recovered keeps all others waiting until an operator gives it up.
  const ifGivenUp = (error: unknown): undefined => {
    if (isGivenUp && error instanceof Failure && error.code === 'data-corrupt') return undefined;
    throw error;
  };
  const kept = found.filter((log) => options.keeps?.(log.topicId, log.partition) ?? true);
  const due: RollUpLog[] = [];
  const logs: RecoveredLog[] = [];
  const { logsTogetherMax } = settings;
  for (let from = 0; from < kept.length; from += logsTogetherMax) {
    const parts = await Promise.all(
      kept
        .slice(from, from + logsTogetherMax)
        .map((log) => unpublished(context, log, directory, scan.durableLsn, isGivenUp).catch(ifGivenUp)),
    );
    for (const part of parts) {
      if (!part) continue;
      const { topicId, partition, endOffset, batches } = part;
      logs.push({ topicId, partition, endOffset, batches: batches.length });
      if (batches.length > 0) due.push(part);
    }
  }
  return { scan, logs, due };
}

function withoutPlaces({ topicId, partition, startOffset, segments, batches, endOffset, fold }: RollUpLog): RollUpLog {
  return { topicId, partition, startOffset, segments, batches, endOffset, fold };
}

function placedBytesOf(logs: readonly RollUpLog[]): number {
  let bytes = 0;
  for (const { batches, places } of logs)
    for (const [i, batch] of batches.entries()) if (places?.[i]) bytes += batch.length;
  return bytes;
}

/** The log's batches that no segment has. The WAL also holds published ones, because it is removed in whole chunks. */
async function unpublished(
  context: RollUpContext,
  found: FoundLog,
  directory: string,
  durableLsn: number,
  isGivenUp: boolean,
): Promise<RollUpLog> {
  const { topicId, partition } = found;
  const { last, startOffset, endOffset, fold, foldedTo } = await loadLogEnd(context, topicId, partition);
  const batches: Buffer[] = [];
  const places: (BatchPlace | undefined)[] = [];
  let end = foldedTo;
  let epoch = fold.epochs.latest;
  for (const [i, batch] of found.batches.entries()) {
    const base = baseOffset(batch, 0);
    const next = lastOffset(batch, 0) + 1;
    if (next <= foldedTo) continue;
    let wrong: string | undefined;
    // Below the start, retention leaves gaps; above it, a gap means a missing batch.
    if (base !== end && base > startOffset) wrong = `goes from offset ${end} to ${base}, which leaves a gap`;
    else if (leaderEpoch(batch, 0) < epoch) {
      wrong = `has leader epoch ${leaderEpoch(batch, 0)} at offset ${base}, behind epoch ${epoch}`;
    }
    if (wrong !== undefined) {
      // What lies before it is kept.
      if (isGivenUp) break;
      throw new DataCorrupt(directory, 0, `log ${uuidText(topicId)}-${partition} ${wrong}`);
    }
    epoch = leaderEpoch(batch, 0);
    batches.push(batch);
    const place = found.places[i]!;
    places.push(place.endLsn <= durableLsn ? place : undefined);
    end = next;
  }
  return {
    topicId,
    partition,
    startOffset,
    // Nothing is merged while clients wait, so no other segment is needed.
    segments: last ? [last] : [],
    batches,
    places,
    endOffset: Math.max(end, endOffset),
    fold,
  };
}

/**
 * Removes the chunks oldest first, each durably, for the reason given in wal.ts. It removes every chunk there is, scanned
 * or not: a process that was fenced by its lease may have begun one since. After this, the directory for a new one is gone,
 * unless somebody else keeps a file there; whatever such a process then begins there is read by nobody.
 */
async function removeWal(disk: Disk, directory: string): Promise<void> {
  if (!disk.exists(directory)) return;
  const chunks = disk.list(directory).filter((name) => walChunkNumber(name) !== undefined);
  chunks.sort((a, b) => walChunkNumber(a)! - walChunkNumber(b)!);
  for (const name of chunks) {
    disk.remove(`${directory}/${name}`);
    await disk.syncDirectory(directory);
  }
  // In the same turn as the removal of the directory.
  for (const name of disk.list(directory)) {
    if (isWalSpare(name) || walChunkNumber(name) !== undefined) disk.remove(`${directory}/${name}`);
  }
  removeUnused(disk, directory);
}
