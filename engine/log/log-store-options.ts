/** What a log store is made from: the session it belongs to, and the ports it works through. */
import type { Clock } from '../kernel/clock.ts';
import type { Failure } from '../kernel/failure.ts';
import type { Random } from '../kernel/random.ts';
import type { Disk, MetadataStore, SegmentStore, StoreOp } from '../ports.ts';
import type { LogSettings } from './settings.ts';

export interface LogStoreOptions {
  readonly disk: Disk;
  readonly store: MetadataStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly settings: LogSettings;
  readonly brokerId: number;
  readonly sessionEpoch: number;
  /** Directory of the slot's volume; the WAL is `<volume>/wal/<sessionEpoch>`. */
  readonly volume: string;
  /** Shared by all brokers. */
  readonly segments: SegmentStore;
  /** How many slots there are: the scrub of files of a slot that is no more is shared by the others. Absent: own files only. */
  readonly slots?: number;
  /** Before anything leaves the log because segments have it. Absent: nobody wants to know. */
  readonly beforeDrop?: () => Promise<void>;
  /**
   * Before the log is without any chunk: syncedLsn() is 0 by then, and whoever has noted it has to have noted that when this
   * resolves. Absent: nobody has.
   */
  readonly beforeEmpty?: () => Promise<void>;
  /** Records are refused because the volume is nearly full, or taken again. Absent: only who writes is told. */
  readonly onNearlyFull?: (isFull: boolean) => void;
  /** Whether the lease still holds: asked after the sync and before the acknowledgements. */
  mayAck(): boolean;
  /** Checks of the session row's version that ride in every transaction; a conflict on one of them means fenced. */
  guard(): readonly StoreOp[];
  /** The session cannot go on (DiskFault, SessionFenced, a bug): nothing is acknowledged any more, the process must exit. */
  onFatal(failure: Failure | Error): void;
}
