/**
 * Decides which brokers hang, from one look at their lease rows at a time. Pure: the watch (broker-watch.ts) reads and
 * acts.
 *
 * A verdict kills, so the detector concludes nothing when looks are always too far apart (members.ts does draw
 * conclusions). A machine that starves its observer starves its brokers too, and there the system reports what is
 * stopped or stuck (infra/fleet/hang.ts).
 *
 * Two situations look like many hung brokers but are not:
 * - The observer was stopped: its clock went on, and the rows it reads are as old as its sleep. After a gap between
 *   looks, every observation starts over.
 * - The store, or the observer's view of it, is stuck. When more than `hungShareMax` of the brokers look hung at once,
 *   the brake holds for `brakeMs`. It also holds as long as the observer cannot renew its own lease.
 */
import type { Row } from '../../ports.ts';
import { observe, type ObservedLease } from '../lease.ts';
import type { ControllerSettings } from '../settings.ts';

export interface LeaseLook {
  readonly brokerId: number;
  readonly lease: Row | undefined;
}

export interface FaultDetector {
  readonly lookedAtMs: number;
  readonly leases: ReadonlyMap<number, ObservedLease>;
  /** Since when the brake holds. */
  readonly brakedAtMs: number | undefined;
}

export interface Verdict {
  readonly detector: FaultDetector;
  /** Brokers to kill. Empty while the brake holds. */
  readonly hung: readonly number[];
  /** Brokers that look hung, whether or not the brake holds. */
  readonly suspects: readonly number[];
}

export const initialDetector: FaultDetector = { lookedAtMs: 0, leases: new Map(), brakedAtMs: undefined };

type DetectorSettings = Pick<ControllerSettings, 'lookGapMsMax' | 'hungShareMax' | 'brakeMs'>;

/**
 * `looks`: all serving brokers, with their lease rows as just read. `nowMs`: monotonic, after the read. `selfValid`:
 * the observer holds its own lease in the same store.
 */
export function judge(
  detector: FaultDetector,
  looks: readonly LeaseLook[],
  nowMs: number,
  selfValid: boolean,
  settings: DetectorSettings,
): Verdict {
  const slept = nowMs - detector.lookedAtMs > settings.lookGapMsMax;
  const leases = new Map<number, ObservedLease>();
  const suspects: number[] = [];
  for (const { brokerId, lease } of looks) {
    const seen = observe(slept ? undefined : detector.leases.get(brokerId), lease, nowMs);
    if (!seen) continue;
    leases.set(brokerId, seen);
    if (seen.dead) suspects.push(brokerId);
  }
  const many = suspects.length > 1 && suspects.length > looks.length * settings.hungShareMax;
  const brakedAtMs = many ? (detector.brakedAtMs ?? nowMs) : undefined;
  const held = !selfValid || (brakedAtMs !== undefined && nowMs - brakedAtMs < settings.brakeMs);
  return { detector: { lookedAtMs: nowMs, leases, brakedAtMs }, hung: held ? [] : suspects, suspects };
}
