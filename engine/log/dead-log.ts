/**
 * What the write-ahead log of an ended session holds, log by log. When the process is known to be gone, its log may be read
 * before the session's row is fenced. Nobody writes to the log any more, and whoever removes it has fenced the row first,
 * so our fence, which is conditional on the same row, is refused. Everything else a recovery relies on (published ends, the
 * announced file) comes from rows, which a transaction of the dead process may still change until the fence is written.
 */
import { Failure } from '../kernel/failure.ts';
import type { Uuid } from '../kernel/uuid.ts';
import type { StoreOp } from '../ports.ts';
import { announcement } from './rows/change-rows.ts';
import { segmentFileId } from './rows/segment-file.ts';
import type { BatchPlace } from './upkeep/roll-up.ts';
import type { RecoverOptions } from './recover.ts';
import { scanWal, type WalScan } from './wal/scan-wal.ts';
import { givenUpPath, walDirectory, walsDirectory } from './wal/wal-format.ts';

export interface FoundLog {
  readonly topicId: Uuid;
  readonly partition: number;
  readonly batches: Buffer[];
  readonly places: (BatchPlace & { readonly endLsn: number })[];
}

export interface DeadLog {
  readonly scan: WalScan;
  readonly logs: readonly FoundLog[];
}

/** The part of a recovery that happens before the fence, or in the fence's transaction. */
export interface RecoveryAhead {
  readonly read: Promise<DeadLog>;
  /** The file for what is not published yet, and its row, which goes into the fence's transaction. */
  readonly fileId: string;
  readonly announcement: StoreOp;
}

type DeadLogOptions = Pick<RecoverOptions, 'disk' | 'settings' | 'volume' | 'sessionEpoch'>;

/** For a session whose process is gone. Waits for `mayRead` first; if that fails, the read fails with it. */
export function beginRecovery(
  options: DeadLogOptions & Pick<RecoverOptions, 'brokerId' | 'random'>,
  mayRead: () => Promise<void> = async () => undefined,
): RecoveryAhead {
  const { brokerId, sessionEpoch, random } = options;
  const read = mayRead().then(() => readDeadLog(options));
  // The recovery gets this failure. When the fence is refused there is no recovery, and nobody handles it.
  read.catch(() => undefined);
  const fileId = segmentFileId(brokerId, sessionEpoch, 0, random.u32());
  return { read, fileId, announcement: announcement(fileId, 0) };
}

/** Throws VolumeMissing, DataCorrupt (see scan-wal.ts) and the disk's failures. */
export async function readDeadLog({ disk, settings, volume, sessionEpoch }: DeadLogOptions): Promise<DeadLog> {
  const isGivenUp = disk.exists(givenUpPath(volume));
  if (!isGivenUp && !disk.exists(walsDirectory(volume))) throw new VolumeMissing(volume);
  const directory = walDirectory(volume, sessionEpoch);
  const found = new Map<string, FoundLog>();
  const scan = await scanWal(
    { disk, directory, sessionEpoch, sliceBytes: settings.writeSliceBytes, isGivenUp },
    ({ topicId, partition, batch, path, position, endLsn }) => {
      const key = `${topicId}${partition}`;
      let log = found.get(key);
      if (!log) found.set(key, (log = { topicId, partition, batches: [], places: [] }));
      log.batches.push(batch);
      log.places.push({ path, position, endLsn });
    },
  );
  return { scan, logs: [...found.values()] };
}

/**
 * The volume is not mounted, or somebody removed the folder. It may hold records that the session acknowledged, so recovery
 * must not assume that the logs ended where the last roll-up left them.
 */
export class VolumeMissing extends Failure {
  readonly code = 'disk-fault';
  constructor(volume: string) {
    super(`the volume is missing: ${walsDirectory(volume)} does not exist. Bring it back, ${orGiveUp(volume)}`);
  }
}

/**
 * The volume is an earlier copy of itself, or its disk lost what it had reported as stored. Acknowledged records are
 * missing at the end of the log, and their offsets must not be given out again.
 */
export class LogBehind extends Failure {
  readonly code = 'data-corrupt';
  constructor(volume: string, sessionEpoch: number, endLsn: number, syncedLsn: number) {
    super(
      `the volume is an older copy, or has lost data: the log in ${walDirectory(volume, sessionEpoch)} ends at byte ` +
        `${endLsn}, but had been synced to the disk up to byte ${syncedLsn}. Bring the volume back as it was, ${orGiveUp(volume)}`,
    );
  }
}

function orGiveUp(volume: string): string {
  return `or create an empty file ${givenUpPath(volume)} to give up what is missing`;
}
