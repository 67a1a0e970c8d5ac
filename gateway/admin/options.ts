/** The parts that the control plane is built from, and its limits. */
import type { Engine } from '../../engine/engine.ts';
import type { FleetCalls } from '../../engine/controller/fleet/fleet-calls.ts';
import type { GatewayContext } from '../context.ts';
import type { DamageShown, ScrubShown } from './schemas.ts';

/** The operator's requests to the fleet; the controller implements them. */
export interface FleetOperations
  extends FleetCalls,
    Pick<Engine, 'brokers' | 'controllers' | 'shards' | 'events' | 'onEvent'> {
  /** Rejects when the broker does not answer. */
  scrub(brokerId: number, act: 'status' | 'start' | 'pause' | 'resume'): Promise<Omit<ScrubShown, 'brokerId'>>;
  /** Damage that scrubs have found and nobody has repaired. */
  damage(): readonly DamageShown[];
}

export interface ShownReadiness {
  readonly isReady: boolean;
  /** Why not; with 'ready', problems that do not stop everything. Without paths, because it is open to all. */
  readonly reasons: readonly string[];
}

export interface AdminOptions {
  readonly context: GatewayContext;
  readonly fleet: FleetOperations;
  /** The one key of the control plane; its holder may do everything. */
  readonly adminKey: string;
  readonly readiness: { isReady(): boolean; look(): Promise<ShownReadiness> };
  readonly limits?: Partial<AdminLimits>;
  /** Where clients find the HTTP door, for its API description; undefined while unknown. */
  readonly httpAddress?: () => string | undefined;
}

export interface AdminLimits {
  /** Bodies are small documents; larger ones are refused with 413. */
  readonly bodyBytesMax: number;
  /** Clusters with their own metrics, the oldest ones; the rest is summed under cluster="other". */
  readonly metricsClustersMax: number;
  /** Consumer groups with their own metrics, over all clusters; the totals of each cluster have the others too. */
  readonly metricsGroupsMax: number;
  readonly metricsGroupsPerClusterMax: number;
  /** Groups of a cluster whose lag is read for the totals, in order of their ids. */
  readonly surveyedGroupsMax: number;
  /** How often stored bytes and lag are read while the metrics are scraped; with many groups less often. */
  readonly surveyIntervalMs: number;
  /** How long after the last scrape they are still read. */
  readonly surveyIdleMs: number;
  /** Concurrent followers of the event stream. */
  readonly followersMax: number;
  /** Events that wait for one slow follower before it is disconnected; it resumes where it was. */
  readonly followerBacklogMax: number;
  /** How often an idle event stream sends something, so that proxies keep it open. */
  readonly heartbeatMs: number;
}

export const adminLimitsDefault: AdminLimits = {
  bodyBytesMax: 256 * 1024,
  metricsClustersMax: 500,
  metricsGroupsMax: 2_000,
  metricsGroupsPerClusterMax: 100,
  surveyedGroupsMax: 1_000,
  surveyIntervalMs: 15_000,
  surveyIdleMs: 300_000,
  followersMax: 64,
  followerBacklogMax: 1_000,
  heartbeatMs: 15_000,
};

/** What routes receive. */
export interface AdminContext extends AdminOptions {
  readonly limits: AdminLimits;
}
