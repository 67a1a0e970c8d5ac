/** What the parts of one controller share. */
import type { Clock } from '../kernel/clock.ts';
import type { RecoveryAhead } from '../log/dead-log.ts';
import type { BrokerSlot, Fleet, StoreOp } from '../ports.ts';
import type { RequestOf, ResponseOf } from '../protocol/apis.ts';
import type { Persistence } from '../store-surely.ts';
import type { BrokerTable } from './brokers/brokers.ts';
import type { EventRing } from './events.ts';
import type { FleetWish } from './fleet/fleet-wish.ts';
import type { PartitionLoads } from './moves/partition-loads.ts';
import type { BrokerSession } from './rows/broker-session.ts';
import type { ControllerSettings } from './settings.ts';
import type { ShardTable } from './shards/shards.ts';

export type BrokerApi = 30000 | 30001 | 30003 | 30004;

/** Rejects when the broker is unreachable or does not answer. Whether the request took effect is then unknown. */
export type BrokerRequest = <K extends BrokerApi>(
  brokerId: number,
  key: K,
  request: RequestOf<K>,
) => Promise<ResponseOf<K>>;

/**
 * Recovers a fenced session: records that it acknowledged but did not yet roll up become part of the logs' segments.
 * Repeatable: a second call, or one by another controller, finds nothing left to do.
 *
 * `session` is the fenced row and `version` its version; every write of the recovery is conditional on it. `seal`
 * writes the row that marks the recovery as done, under the same condition; it may ride in the transaction that
 * publishes everything. `syncedLsn` is what the session's lease says of its log. `ahead` is the work begun before the
 * fence.
 */
export type Recover = (session: BrokerSession, version: number, known: KnownOfDead) => Promise<Recovered>;

export interface KnownOfDead {
  readonly seal: StoreOp;
  readonly syncedLsn: number | undefined;
  readonly ahead: RecoveryAhead | undefined;
}

/**
 * Begins the recovery of a session whose process is known to be gone, while its row is being fenced. The work is
 * discarded when the fence is refused.
 */
export type BeginRecovery = (session: BrokerSession) => RecoveryAhead;

export interface Recovered {
  /** Whether the seal is already written. If not, the caller writes it. */
  readonly isSealed: boolean;
  /** Only tidies up. Nothing waits for it except the slot's next session. */
  readonly cleanUp: CleanUp;
}

/** Takes the row's version at the time of the call. */
export type CleanUp = (version: number) => Promise<void>;

export interface ControllerContext {
  readonly persistence: Persistence;
  readonly clock: Clock;
  readonly settings: ControllerSettings;
  readonly events: EventRing;
  readonly brokers: BrokerTable;
  readonly shards: ShardTable;
  readonly wish: Pick<FleetWish, 'unchanged' | 'refresh'>;
  readonly fleet: Fleet;
  readonly brokerRequest: BrokerRequest;
  /** Absent: a recovery begins only after the fence. */
  readonly beginRecovery: BeginRecovery | undefined;
  readonly recover: Recover;
  readonly loads: PartitionLoads;
  /** Any slot, even one this controller was not started with. Absent: nobody else starts brokers. */
  slotOf?(brokerId: number): BrokerSlot;
  /** Whether no process has this id any longer. */
  isGone(pid: number): boolean;
  isStopping(): boolean;
}

/** The text of a failure, for an event. */
export function causeText(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
