/** Whether this caller's request may be served now: the checks before any work is done for it. */
import { QuotaExceeded } from '../../tenancy/failures.ts';
import type { ClusterLimits, Principal, Verdict } from '../../tenancy/tenancy.ts';
import type { GatewayContext } from '../context.ts';
import { servingCluster } from './topics.ts';

export const noDelay: Verdict = Object.freeze({ delayMs: 0, quota: undefined });

export function longer(one: Verdict, other: Verdict): Verdict {
  return other.delayMs > one.delayMs ? other : one;
}

/**
 * How long the door holds a client back for `verdict`. Metered here and not with the verdict: what a door refuses is no
 * delay, and of many partitions' delays a client waits for the longest.
 */
export function heldBackMs(
  { tenancy }: Pick<GatewayContext, 'tenancy'>,
  clusterId: string,
  { delayMs, quota }: Verdict,
  msMax = Infinity,
): number {
  if (quota === undefined) return 0;
  const heldMs = Math.min(delayMs, msMax);
  tenancy.meter.throttled(clusterId, quota, heldMs);
  return heldMs;
}

/**
 * Charges one request. Returns how long it should be held back, nearly always not at all. Throws Forbidden or NotFound
 * when the cluster is not in service, QuotaExceeded when the wait would exceed `quotaWaitMsMax`.
 */
export function admitRequest(
  context: GatewayContext,
  principal: Principal,
  nowMs = context.clock.monotonicMs(),
): Verdict {
  servingCluster(context, principal);
  const verdict = context.tenancy.limiter.request(principal.clusterId, nowMs);
  const { delayMs, quota } = verdict;
  if (quota !== undefined && delayMs > context.settings.quotaWaitMsMax) {
    throw exceeded(context, principal.clusterId, quota, delayMs);
  }
  return verdict;
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
