/** What the control plane is made of, and its limits. */
import type { Engine } from '../../engine/engine.ts';
import type { FleetCalls } from '../../engine/controller/fleet/fleet-calls.ts';
import type { GatewayContext } from '../context.ts';
import type { DamageShown, ScrubShown } from './schemas.ts';

/** What an operator may ask of the fleet; the controller has it. */
export interface FleetOperations
  extends FleetCalls,
    Pick<Engine, 'brokers' | 'controllers' | 'shards' | 'events' | 'onEvent'> {
  /** Rejects when the broker does not answer. */
  scrub(brokerId: number, act: 'status' | 'start' | 'pause' | 'resume'): Promise<Omit<ScrubShown, 'brokerId'>>;
  /** What scrubs have found damaged and nobody has mended. */
  damage(): readonly DamageShown[];
}

export interface ShownReadiness {
  readonly isReady: boolean;
  /** Why not; beside 'ready' what is wrong and does not stand in the way of everything. Without paths: it is open to all. */
  readonly reasons: readonly string[];
}

export interface AdminOptions {
  readonly context: GatewayContext;
  readonly fleet: FleetOperations;
  /** The one key of the control plane; its holder may do everything. */
  readonly adminKey: string;
  readonly readiness: { isReady(): boolean; look(): Promise<ShownReadiness> };
  readonly limits?: Partial<AdminLimits>;
  /** Where clients find the HTTP door, for the description of what it serves; undefined while that is not known. */
  readonly httpAddress?: () => string | undefined;
}

export interface AdminLimits {
  /** Bodies are small documents; more is refused with 413. */
  readonly bodyBytesMax: number;
  /** Clusters with metrics of their own, the oldest ones; the rest is summed under cluster="other". */
  readonly metricsClustersMax: number;
  /** Followers of the event stream at once. */
  readonly followersMax: number;
  /** Events that wait for one slow follower before it is let go; it resumes where it was. */
  readonly followerBacklogMax: number;
  /** An idle event stream says something this often, so that proxies keep it open. */
  readonly heartbeatMs: number;
}

export const adminLimitsDefault: AdminLimits = {
  bodyBytesMax: 256 * 1024,
  metricsClustersMax: 500,
  followersMax: 64,
  followerBacklogMax: 1_000,
  heartbeatMs: 15_000,
};

/** What routes are given. */
export interface AdminContext extends AdminOptions {
  readonly limits: AdminLimits;
}
