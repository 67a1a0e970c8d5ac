/** May this caller's request be served at this moment: the checks before any work is done for it. */
import { QuotaExceeded } from '../../tenancy/failures.ts';
import type { ClusterLimits, Principal } from '../../tenancy/tenancy.ts';
import type { GatewayContext } from '../context.ts';
import { servingCluster } from './topics.ts';

/**
 * Charges one request. Returns how long it must be held back, 0 nearly always. Throws Forbidden or NotFound when the
 * cluster does not serve, QuotaExceeded when the wait would pass `quotaWaitMsMax`.
 */
export function admitRequest(
  context: GatewayContext,
  principal: Principal,
  nowMs = context.clock.monotonicMs(),
): number {
  servingCluster(context, principal);
  const { delayMs, quota } = context.tenancy.limiter.request(principal.clusterId, nowMs);
  if (quota === undefined) return 0;
  context.tenancy.meter.throttled(principal.clusterId, quota, delayMs);
  if (delayMs > context.settings.quotaWaitMsMax) throw exceeded(context, principal.clusterId, quota, delayMs);
  return delayMs;
}

/** What an admitted request turns out to stand for beside itself (weight.ts): those that come next wait for it. */
export function chargeBeside(
  { tenancy, clock }: GatewayContext,
  { clusterId }: Pick<Principal, 'clusterId'>,
  requests: number,
): void {
  if (requests > 0) tenancy.limiter.request(clusterId, clock.monotonicMs(), requests);
}

/** As chargeBeside, before the work is done. Throws QuotaExceeded when the cluster owes more than a door may let it wait. */
export function admitBeside(context: GatewayContext, principal: Principal, requests: number): void {
  if (requests === 0) return;
  const { tenancy, clock, settings } = context;
  const { delayMs, quota } = tenancy.limiter.debt(principal.clusterId, clock.monotonicMs(), 'neither');
  if (quota && delayMs > settings.quotaWaitMsMax) throw exceeded(context, principal.clusterId, quota, delayMs);
  chargeBeside(context, principal, requests);
}

/** Throws QuotaExceeded when what the cluster has used already makes for a longer wait than a door may impose. */
export function refuseLongWait(context: GatewayContext, clusterId: string, nowMs = context.clock.monotonicMs()): void {
  const { delayMs, quota } = context.tenancy.limiter.debt(clusterId, nowMs);
  if (quota !== undefined && delayMs > context.settings.quotaWaitMsMax) {
    throw exceeded(context, clusterId, quota, delayMs);
  }
}

/** As refuseLongWait for readers. */
export function refuseLongRead(context: GatewayContext, clusterId: string): void {
  const { delayMs, quota } = context.tenancy.limiter.debt(clusterId, context.clock.monotonicMs(), 'fetch');
  if (quota !== undefined && delayMs > context.settings.quotaWaitMsMax) {
    throw exceeded(context, clusterId, quota, delayMs);
  }
}

/** Throws QuotaExceeded. A connection that was admitted must be given back with limiter.disconnect. */
export function admitConnection(context: GatewayContext, principal: Principal): void {
  const { tenancy, clock } = context;
  const admission = tenancy.limiter.connect(principal.clusterId, clock.monotonicMs(), 0);
  if ('refused' in admission) throw exceeded(context, principal.clusterId, admission.refused, 1_000);
}

function exceeded(
  { tenancy }: GatewayContext,
  clusterId: string,
  quota: keyof ClusterLimits,
  delayMs: number,
): QuotaExceeded {
  const limit = tenancy.cluster(clusterId)?.limits[quota] ?? 0;
  return new QuotaExceeded(quota, limit, limit, Math.ceil(delayMs));
}
