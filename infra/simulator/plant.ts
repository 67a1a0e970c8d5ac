/**
 * Where a planted bug enters: the ports and functions that the world passes to production code. The world normally runs
 * without one; the canary suite uses them to prove that the checker detects bugs.
 */
import type { Append } from '../../engine/engine.ts';
import type { PartitionLog } from '../../engine/log/log.ts';
import type { Clock } from '../../engine/kernel/clock.ts';
import type { Session } from '../../engine/broker/session.ts';
import type { LogStoreOptions } from '../../engine/log/log-store-options.ts';
import type { RecoverOptions } from '../../engine/log/recover.ts';
import type { MetadataStore } from '../../engine/ports.ts';

export interface Plant {
  readonly logStore?: (options: LogStoreOptions) => LogStoreOptions;
  readonly opened?: (log: PartitionLog, topicName: string) => void;
  readonly recovery?: (options: Pick<RecoverOptions, 'disk'>) => Pick<RecoverOptions, 'disk'>;
  readonly append?: (append: Append) => Append;
  readonly isGone?: (pid: number) => boolean;
  readonly store?: (store: MetadataStore, of: 'broker' | 'parent', clock: Clock) => MetadataStore;
  /** `store` is the session's own, as `store` above returned it. */
  readonly session?: (session: Session, store: MetadataStore, clock: Clock) => Session;
  /** A request at a broker, before it is read. */
  readonly frame?: (frame: Buffer) => void;
  /** Replaces shared code for the length of a run; returns the function that restores it. */
  readonly patch?: () => () => void;
}

export interface Canary {
  readonly name: string;
  /** Where the bug is likely to show. */
  readonly scenario: string;
  /** The first seed to try, where the bug showed at once when it was written down; 1 when absent. */
  readonly seed?: number;
  plant(): Plant;
}
