/**
 * Whether a bucket can be used, for callers that ask whether an installation is ready. They ask every second or so, and the
 * service is asked far more seldom: they get its last answer.
 */
import type { Clock } from '../../engine/kernel/clock.ts';
import { inTime, late } from '../../engine/kernel/request-time.ts';

/** Resolves with what is wrong, undefined for nothing. */
export type BucketTrouble = () => Promise<string | undefined>;

const lookIntervalMs = 10_000;
/** The longest that a caller waits for an answer. */
const lookMsMax = 2_000;

export function bucketTrouble(clock: Clock, probe: () => Promise<void>): BucketTrouble {
  let lookedAtMs = -Infinity;
  let looking: Promise<void> | undefined;
  let trouble: string | undefined;
  const look = async (): Promise<void> => {
    try {
      await probe();
      trouble = undefined;
    } catch (error) {
      trouble = error instanceof Error ? error.message : String(error);
    }
    looking = undefined;
  };
  return async () => {
    const nowMs = clock.monotonicMs();
    if (!looking && nowMs - lookedAtMs >= lookIntervalMs) {
      lookedAtMs = nowMs;
      looking = look();
    }
    if (looking && (await inTime(clock, lookMsMax, looking)) === late) {
      const silentMs = clock.monotonicMs() - lookedAtMs;
      return trouble ?? `segments: the bucket has not answered for ${Math.floor(silentMs / 1000)} s`;
    }
    return trouble;
  };
}
