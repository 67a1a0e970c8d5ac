/**
 * How many brokers the fleet should have, by target tracking on the busiest dimension. It scales out at once, to as
 * many brokers as the load needs. It scales in slowly, one broker per zone at a time, and only when the remaining
 * brokers would have been enough for a good while. Pure.
 *
 *   load / brokers   0 ......... inShareMax ......... target ......... 1
 *                    in, if so after it     nothing           out
 *
 * The gap between the two bounds keeps the fleet from flapping: after either step, the load lies between them.
 */
import { assert } from '../../kernel/assert.ts';
import { dimensions, wholeBroker } from '../../placement/load.ts';

export interface ScaleSettings {
  readonly brokersMin: number;
  readonly brokersMax: number;
  /** Share of a broker's capacity in use when the number of brokers is right. */
  readonly targetShare: number;
  /** Brokers are removed when the rest would use no more than this share. */
  readonly inShareMax: number;
  /** How long that must have held. */
  readonly inAfterMs: number;
}

export interface FleetLook {
  /** Brokers that should run, whether or not they do yet. */
  readonly brokers: number;
  readonly zones: number;
  /** Load of the fleet in each dimension (placement/load.ts), in billionths of a broker. */
  readonly load: readonly number[];
  /** All brokers that should run serve, none is being emptied, and no zone is down. */
  readonly settled: boolean;
  /** The number that an operator set instead. */
  readonly override: number | undefined;
}

export interface ScaleState {
  /** Time since which fewer brokers would have been enough. */
  readonly calmSinceMs: number | undefined;
}

export interface ScaleDecision {
  readonly kind: 'stay' | 'out' | 'in';
  readonly brokers: number;
  readonly reason: string;
  readonly dimension: (typeof dimensions)[number];
  /** Share of the capacity of `FleetLook.brokers` in use, in that dimension. */
  readonly share: number;
}

export const scaleStart: ScaleState = { calmSinceMs: undefined };

export function autoscale(
  state: ScaleState,
  look: FleetLook,
  nowMs: number,
  settings: ScaleSettings,
): { readonly state: ScaleState; readonly decision: ScaleDecision } {
  const { targetShare, inShareMax, inAfterMs } = settings;
  assert(inShareMax < targetShare, 'a gap between the bounds keeps the fleet from flapping');
  const busiest = look.load.reduce((best, load, d) => (load > look.load[best]! ? d : best), 0);
  const load = look.load[busiest]! / wholeBroker;
  const dimension = dimensions[busiest]!;
  const told = { dimension, share: load / look.brokers };
  const decided = (kind: ScaleDecision['kind'], brokers: number, reason: string, calmSinceMs?: number) => ({
    state: { calmSinceMs },
    decision: { kind, brokers, reason, ...told },
  });
  const most = roundDown(settings.brokersMax, look.zones);
  const goal = goalOf(look, load, most, settings);
  if (goal.brokers > look.brokers) return decided('out', goal.brokers, goal.reason ?? `${dimension} above the target`);
  if (goal.reason !== undefined) {
    if (goal.brokers === look.brokers) return decided('stay', look.brokers, goal.reason);
    if (!look.settled) return decided('stay', look.brokers, 'the fleet is changing');
    return decided('in', goal.brokers, goal.reason);
  }
  const fewer = roundDown(look.brokers - 1, look.zones);
  if (fewer < settings.brokersMin) return decided('stay', look.brokers, 'the least number');
  if (load > fewer * inShareMax) return decided('stay', look.brokers, 'the number fits the load');
  if (!look.settled) return decided('stay', look.brokers, 'the fleet is changing');
  const calmSinceMs = state.calmSinceMs ?? nowMs;
  if (nowMs - calmSinceMs < inAfterMs)
    return decided('stay', look.brokers, 'fewer would do, but not for long enough yet', calmSinceMs);
  return decided('in', fewer, 'fewer do for long enough');
}

/** Gives a reason of its own when something other than the load decides. */
function goalOf(
  look: FleetLook,
  load: number,
  most: number,
  { brokersMin, targetShare }: ScaleSettings,
): { readonly brokers: number; readonly reason?: string } {
  if (look.override !== undefined) {
    return { brokers: Math.min(most, roundUp(Math.max(1, look.override), look.zones)), reason: 'set by an operator' };
  }
  if (look.brokers > Math.max(most, brokersMin)) return { brokers: most, reason: 'above the maximum' };
  if (look.brokers < brokersMin) return { brokers: brokersMin, reason: 'below the minimum' };
  // Subtracts a hair, so a load exactly at the target asks for nothing.
  const asked = Math.ceil(load / targetShare - 1e-9);
  return { brokers: asked > look.brokers ? Math.min(most, roundUp(asked, look.zones)) : look.brokers };
}

function roundUp(count: number, step: number): number {
  return Math.ceil(count / step) * step;
}

/** Rounds down to a multiple of `step`; a count below `step` stays as it is. */
function roundDown(count: number, step: number): number {
  return count < step ? count : count - (count % step);
}
