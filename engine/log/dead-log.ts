/**
 * What the write-ahead log of a session that is over holds, log by log. Of a process that is known to be gone it may be read
 * before the session's row is fenced: nobody writes to it any more, and who removes it has fenced the row first, so that
 * the fence which waits for the same row is refused. Whatever else a recovery goes by (published ends, the announced file)
 * follows from rows, which a transaction of the dead process may still change until the fence is written.
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

/** What of a recovery comes before the fence, and in its transaction. */
export interface RecoveryAhead {
  readonly read: Promise<DeadLog>;
  /** The file for what is not published, and its row: for the transaction of the fence. */
  readonly fileId: string;
  readonly announcement: StoreOp;
}

type DeadLogOptions = Pick<RecoverOptions, 'disk' | 'settings' | 'volume' | 'sessionEpoch'>;

/** Of a session whose process is gone. `mayRead` is waited for first: its failure is that of the reading. */
export function beginRecovery(
  options: DeadLogOptions & Pick<RecoverOptions, 'brokerId' | 'random'>,
  mayRead: () => Promise<void> = async () => undefined,
): RecoveryAhead {
  const { brokerId, sessionEpoch, random } = options;
  const read = mayRead().then(() => readDeadLog(options));
  // Told to whoever recovers; when the fence is refused, nobody does.
  read.catch(() => undefined);
  const fileId = segmentFileId(brokerId, sessionEpoch, 0, random.u32());
  return { read, fileId, announcement: announcement(fileId, 0) };
}

/** Throws VolumeMissing, DataCorrupt (see scan-wal.ts) and the disk's failures. */
export async function readDeadLog({ disk, settings, volume, sessionEpoch }: DeadLogOptions): Promise<DeadLog> {
  if (!disk.exists(givenUpPath(volume)) && !disk.exists(walsDirectory(volume))) throw new VolumeMissing(volume);
  const directory = walDirectory(volume, sessionEpoch);
  const found = new Map<string, FoundLog>();
  const scan = await scanWal(
    { disk, directory, sessionEpoch, sliceBytes: settings.writeSliceBytes },
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
 * A volume that is not mounted, or a folder that somebody removed: what the session acknowledged may be on it, so its logs must
 * not be taken for ended where the last roll-up left them.
 */
export class VolumeMissing extends Failure {
  readonly code = 'disk-fault';
  constructor(volume: string) {
    super(`the volume is missing: ${walsDirectory(volume)} does not exist. Bring it back, ${orGiveUp(volume)}`);
  }
}

/**
 * The volume is an earlier copy of itself, or its disk has lost what it said was stored: acknowledged records are missing at the
 * end of the log, and their offsets must not be given out again.
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
