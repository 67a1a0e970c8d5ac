/**
 * Where a planted bug gets in: the ports and functions that the world hands to production code. The world runs without
 * one; the canary suite proves with them that the checker has teeth.
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
  /** `store` is the session's own, as `store` above has left it. */
  readonly session?: (session: Session, store: MetadataStore, clock: Clock) => Session;
  /** A request at a broker, before it is read. */
  readonly frame?: (frame: Buffer) => void;
  /** Replaces shared code for the length of a run; returns the way back. */
  readonly patch?: () => () => void;
}

export interface Canary {
  readonly name: string;
  /** Where it is likely to show. */
  readonly scenario: string;
  /** The first to be tried, where it showed at once when it was written down; 1 when absent. */
  readonly seed?: number;
  plant(): Plant;
}
