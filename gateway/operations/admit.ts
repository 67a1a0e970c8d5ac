/** Whether this caller's request may be served now: the checks before any work is done for it. */
import { QuotaExceeded } from '../../tenancy/failures.ts';
import type { ClusterLimits, Principal } from '../../tenancy/tenancy.ts';
import type { GatewayContext } from '../context.ts';
import { servingCluster } from './topics.ts';

/**
 * Charges one request. Returns how long the request must be held back, nearly always 0. Throws Forbidden or NotFound when
 * the cluster is not in service, QuotaExceeded when the wait would exceed `quotaWaitMsMax`.
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

/** Charges the extra work that an admitted request turns out to need (weight.ts): the next requests wait for it. */
export function chargeBeside(
  { tenancy, clock }: GatewayContext,
  { clusterId }: Pick<Principal, 'clusterId'>,
  requests: number,
): void {
  if (requests > 0) tenancy.limiter.request(clusterId, clock.monotonicMs(), requests);
}

/**
 * Like chargeBeside, before the work is done. Throws QuotaExceeded when the cluster owes more than a door may make it wait.
 */
export function admitBeside(context: GatewayContext, principal: Principal, requests: number): void {
  if (requests === 0) return;
  const { tenancy, clock, settings } = context;
  const { delayMs, quota } = tenancy.limiter.debt(principal.clusterId, clock.monotonicMs(), 'neither');
  if (quota && delayMs > settings.quotaWaitMsMax) throw exceeded(context, principal.clusterId, quota, delayMs);
  chargeBeside(context, principal, requests);
}

/** Throws QuotaExceeded when the cluster's past use already requires a longer wait than a door may impose. */
export function refuseLongWait(context: GatewayContext, clusterId: string, nowMs = context.clock.monotonicMs()): void {
  const { delayMs, quota } = context.tenancy.limiter.debt(clusterId, nowMs);
  if (quota !== undefined && delayMs > context.settings.quotaWaitMsMax) {
    throw exceeded(context, clusterId, quota, delayMs);
  }
}

/** Like refuseLongWait, for readers. */
export function refuseLongRead(context: GatewayContext, clusterId: string): void {
  const { delayMs, quota } = context.tenancy.limiter.debt(clusterId, context.clock.monotonicMs(), 'fetch');
  if (quota !== undefined && delayMs > context.settings.quotaWaitMsMax) {
    throw exceeded(context, clusterId, quota, delayMs);
  }
}

/** Throws QuotaExceeded. Every admitted connection must be given back with limiter.disconnect. */
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
