/** What a log store is built from: the session it belongs to, and the ports it works through. */
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
  /**
   * The slots whose brokers serve now, in order. They share the scrub and the sweep of the files of all other slots. Absent:
   * own files only.
   */
  servedSlots?(): Promise<readonly number[]>;
  /** Awaited before anything leaves the log because segments have it. Absent: nobody needs to know. */
  readonly beforeDrop?: () => Promise<void>;
  /**
   * Awaited before the log loses its last chunk. syncedLsn() is 0 by then; anyone who has stored an earlier value must have
   * stored the 0 when this resolves. Absent: nobody stores it.
   */
  readonly beforeEmpty?: () => Promise<void>;
  /**
   * Called when the volume is nearly full and records are refused, and when they are accepted again. Absent: only the
   * writers learn of it.
   */
  readonly onNearlyFull?: (isFull: boolean) => void;
  /** Whether the lease is still valid: asked after the sync and before the acknowledgements. */
  mayAck(): boolean;
  /** Checks of the session row's version, part of every transaction. A conflict on one of them means the session is fenced. */
  guard(): readonly StoreOp[];
  /** The session cannot go on (DiskFault, SessionFenced, a bug): nothing is acknowledged any more and the process must exit. */
  onFatal(failure: Failure | Error): void;
}
