/** What the controller's waits and batches are bounded by. Plain data; the defaults suit one machine. */
import type { BrokerCapacity } from '../placement/load.ts';
import { storeOpsMax } from '../ports.ts';
import { type RebalanceSettings, rebalanceDefaults } from '../placement/rebalance.ts';
import type { ScaleSettings } from './fleet/autoscale.ts';
import { type LeaseSettings, leaseDefaults } from './lease.ts';

export interface ControllerSettings {
  /** The controller's own lease. */
  readonly lease: LeaseSettings;
  /** Between two looks at the brokers' leases. */
  readonly lookIntervalMs: number;
  /** A longer gap between looks proves nothing about the brokers: the controller itself was stopped. */
  readonly lookGapMsMax: number;
  /** Share of serving brokers that may look hung at once before the observer is suspected. */
  readonly hungShareMax: number;
  /** How long the brake holds while the controller's own lease is renewed all along. */
  readonly brakeMs: number;
  /** From the start of a process to its session row. */
  readonly startWaitMsMax: number;
  /** For all brokers to serve when the controller starts. */
  readonly fleetWaitMsMax: number;
  readonly stopGraceMs: number;
  /** A broker that lived longer than this is replaced at once; others after a growing pause. */
  readonly stableAfterMs: number;
  readonly restartPauseMsMax: number;
  /** How long a remap waits for brokers that died together and are still being recovered. */
  readonly remapWaitMsMax: number;
  /** How long a dead broker's slot waits for other controllers to move what is theirs. */
  readonly othersRemapMsMax: number;
  /** A slot that has had no session for this long loses its partitions in the shards of controllers that only look on. */
  readonly idleRemapAfterMs: number;
  /** Between two looks at the other controllers; without any, it is the sweep that looks. */
  readonly membersIntervalMs: number;
  /** Brokers of one zone that die within this time count as one zone event. */
  readonly zoneWindowMs: number;
  /** For the store, in requests of users. Repairs wait as long as it takes. */
  readonly requestWaitMsMax: number;
  /** Taken from the store at once. */
  readonly producerIdsPerBlock: number;
  readonly logsPerReleaseMax: number;
  readonly releasesInFlightMax: number;
  /** Placement rows and checks of sessions in one transaction, beside the shard's own check. */
  readonly moveOpsMax: number;
  /** After this an owner that does not answer a release is killed and recovered. */
  readonly releaseWaitMsMax: number;
  readonly requestRetryMs: number;
  /** Deleted topics' space and lost shards are looked after this often. */
  readonly sweepIntervalMs: number;
  readonly balanceIntervalMs: number;
  readonly balanceCoolDownMs: number;
  readonly rebalance: RebalanceSettings;
  readonly partitionsPerBrokerMax: number;
  /** Between two questions to a broker about its load. */
  readonly loadIntervalMs: number;
  /** In one answer; the busiest. */
  readonly loadLogsMax: number;
  readonly brokerCapacity: BrokerCapacity;
  readonly scale: ScaleSettings;
  readonly eventsMax: number;
}

/** Of one embedded broker on one core, with room to spare. */
export const brokerCapacityDefault: BrokerCapacity = {
  bytesInPerSecond: 200 * 1024 * 1024,
  bytesOutPerSecond: 400 * 1024 * 1024,
  requestsPerSecond: 50_000,
};

/** Bounds without a meaning of their own: whoever knows the slots sets them. */
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
