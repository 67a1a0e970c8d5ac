/** Bounds for the controller's waits and batches. Plain data; the defaults suit one machine. */
import type { BrokerCapacity } from '../placement/load.ts';
import { storeOpsMax } from '../ports.ts';
import { type RebalanceSettings, rebalanceDefaults } from '../placement/rebalance.ts';
import type { ScaleSettings } from './fleet/autoscale.ts';
import { type LeaseSettings, leaseDefaults } from './lease.ts';

export interface ControllerSettings {
  /** The controller's own lease. */
  readonly lease: LeaseSettings;
  /** Pause between two looks at the brokers' leases. */
  readonly lookIntervalMs: number;
  /** After a longer gap between looks, the controller draws no conclusion about the brokers: it was itself stopped. */
  readonly lookGapMsMax: number;
  /** Largest share of serving brokers that may look hung at once. Above it, the observer itself is suspected. */
  readonly hungShareMax: number;
  /** How long the brake holds, provided the controller's own lease is renewed throughout. */
  readonly brakeMs: number;
  /** Time allowed from the start of a process to its session row. */
  readonly startWaitMsMax: number;
  /** Time allowed for all brokers to serve when the controller starts. */
  readonly fleetWaitMsMax: number;
  readonly stopGraceMs: number;
  /** A broker that lived longer than this is replaced at once. Others are replaced after a growing pause. */
  readonly stableAfterMs: number;
  readonly restartPauseMsMax: number;
  /** How long a remap waits for brokers that died together and are still being recovered. */
  readonly remapWaitMsMax: number;
  /** How long a dead broker's slot waits for other controllers to move the partitions in their shards. */
  readonly othersRemapMsMax: number;
  /**
   * When a slot has had no session for this long, controllers that do not keep the fleet move its partitions in their
   * shards.
   */
  readonly idleRemapAfterMs: number;
  /** Pause between two looks at the other controllers. A controller that runs alone looks in its sweep instead. */
  readonly membersIntervalMs: number;
  /** When brokers of one zone die within this window, they count as one zone event. */
  readonly zoneWindowMs: number;
  /** How long a user's request waits for the store. Repairs wait as long as it takes. */
  readonly requestWaitMsMax: number;
  /** How many producer ids are taken from the store at a time. */
  readonly producerIdsPerBlock: number;
  readonly logsPerReleaseMax: number;
  readonly releasesInFlightMax: number;
  /** Placement rows and session checks in one transaction, besides the shard's own check. */
  readonly moveOpsMax: number;
  /** An owner that does not answer a release for this long is killed and recovered. */
  readonly releaseWaitMsMax: number;
  readonly requestRetryMs: number;
  /** How often the controller frees the space of deleted topics and looks for lost shards. */
  readonly sweepIntervalMs: number;
  readonly balanceIntervalMs: number;
  readonly balanceCoolDownMs: number;
  readonly rebalance: RebalanceSettings;
  readonly partitionsPerBrokerMax: number;
  /** Pause between two questions to a broker about its load. */
  readonly loadIntervalMs: number;
  /** Logs reported in one answer: the busiest ones. */
  readonly loadLogsMax: number;
  readonly brokerCapacity: BrokerCapacity;
  readonly scale: ScaleSettings;
  readonly eventsMax: number;
}

/** Capacity of one embedded broker on one core, with room to spare. */
export const brokerCapacityDefault: BrokerCapacity = {
  bytesInPerSecond: 200 * 1024 * 1024,
  bytesOutPerSecond: 400 * 1024 * 1024,
  requestsPerSecond: 50_000,
};

/** Placeholder bounds. The code that knows the slots sets the real ones. */
export const scaleDefaults: ScaleSettings = {
  brokersMin: 1,
  brokersMax: 1,
  targetShare: 0.6,
  inShareMax: 0.5,
  inAfterMs: 900_000,
};

export const controllerDefaults: ControllerSettings = {
  lease: leaseDefaults,
  lookIntervalMs: 100,
  lookGapMsMax: 700,
  hungShareMax: 0.6,
  brakeMs: 10_000,
  startWaitMsMax: 30_000,
  fleetWaitMsMax: 30_000,
  stopGraceMs: 10_000,
  stableAfterMs: 10_000,
  restartPauseMsMax: 10_000,
  remapWaitMsMax: 50,
  othersRemapMsMax: 1000,
  idleRemapAfterMs: 3000,
  membersIntervalMs: 200,
  zoneWindowMs: 5000,
  requestWaitMsMax: 10_000,
  producerIdsPerBlock: 1000,
  logsPerReleaseMax: 64,
  releasesInFlightMax: 4,
  moveOpsMax: storeOpsMax - 1,
  releaseWaitMsMax: 30_000,
  requestRetryMs: 50,
  sweepIntervalMs: 1000,
  balanceIntervalMs: 15_000,
  balanceCoolDownMs: 300_000,
  rebalance: rebalanceDefaults,
  partitionsPerBrokerMax: 20_000,
  loadIntervalMs: 5000,
  loadLogsMax: 20_000,
  brokerCapacity: brokerCapacityDefault,
  scale: scaleDefaults,
  eventsMax: 1000,
};
