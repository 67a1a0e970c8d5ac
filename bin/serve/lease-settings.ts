import type { LeaseSettings } from '../../engine/controller/lease.ts';

/** A lease of `leaseMs` in the proportions of the defaults: five renewals in it, and a margin for clock drift. */
export function leaseSettings(leaseMs: number): LeaseSettings {
  return {
    durationMs: leaseMs,
    renewIntervalMs: Math.ceil(leaseMs / 5),
    marginMs: Math.ceil(leaseMs / 20),
    retryMsMax: Math.max(10, Math.ceil(leaseMs / 30)),
  };
}
