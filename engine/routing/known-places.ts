/**
 * Where owners have recently said that records lie. A segment never changes, so a reader that continues shortly after
 * need not ask again: three fetches of a mebibyte save two questions. What the reader learns of the log meanwhile is at
 * most as old as the owner's answer.
 *
 * A place is valid only for the owner that named it, and not before the log start known by now. If a merge or retention
 * has removed its file, the read shows it (ask-owner.ts).
 *
 * Alternative refused: places that stay valid until they fail. An open file remains readable, however long ago its
 * records were deleted.
 */
import type { Clock } from '../kernel/clock.ts';
import type { Uuid } from '../kernel/uuid.ts';
import type { LocatedSegment } from '../log/log.ts';
import type { Answered, Asked } from './fetch-message.ts';

/**
 * A change reported to another gateway (a new log end, deleted records) becomes visible here at most this much later.
 */
export const placesMsMax = 100;
/** Logs remembered. The one heard of longest ago goes first. */
const placesMax = 1024;

interface Place {
  readonly leaderEpoch: number;
  readonly untilMs: number;
  readonly highWatermark: number;
  readonly lastStableOffset: number;
  readonly logStartOffset: number;
  readonly segments: readonly LocatedSegment[];
}

export class KnownPlaces {
  readonly #clock: Clock;
  readonly #places = new Map<string, Place>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Notes an owner's answers. `sentMs`: when the owner was asked. */
  note(asked: readonly Asked[], answers: readonly Answered[], sentMs: number): void {
    const epochs = new Map(asked.map((each) => [keyOf(each), each.leaderEpoch]));
    const untilMs = sentMs + placesMsMax;
    for (const answer of answers) {
      const key = keyOf(answer);
      this.#places.delete(key);
      const { segments, highWatermark, lastStableOffset, logStartOffset } = answer;
      const leaderEpoch = epochs.get(key);
      if (!segments || leaderEpoch === undefined) continue;
      this.#places.set(key, { leaderEpoch, untilMs, highWatermark, lastStableOffset, logStartOffset, segments });
    }
    for (const oldest of this.#places.keys()) {
      if (this.#places.size <= placesMax) break;
      this.#places.delete(oldest);
    }
  }

  /** What the owner would answer; undefined unless the places of all are known. */
  answersTo(asked: readonly Asked[]): Answered[] | undefined {
    const nowMs = this.#clock.monotonicMs();
    const answers: Answered[] = [];
    for (const each of asked) {
      const place = this.#places.get(keyOf(each));
      const isGood = place && nowMs <= place.untilMs && place.leaderEpoch === each.leaderEpoch;
      const segments = isGood && segmentsFrom(place, each);
      if (!segments) return undefined;
      const { highWatermark, lastStableOffset, logStartOffset } = place;
      const { topicId, partition } = each;
      const told = { errorCode: 0, highWatermark, lastStableOffset, logStartOffset, records: [] };
      answers.push({ topicId, partition, ...told, segments });
    }
    return answers;
  }

  forget(asked: readonly Asked[]): void {
    for (const each of asked) this.#places.delete(keyOf(each));
  }

  forgetOld(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const [key, { untilMs }] of this.#places) if (untilMs < nowMs) this.#places.delete(key);
  }
}

function segmentsFrom({ segments, logStartOffset }: Place, { offset, startOffset }: Asked) {
  if (offset < Math.max(logStartOffset, startOffset, segments[0]!.baseOffset)) return undefined;
  const first = segments.findIndex(({ endOffset }) => offset < endOffset);
  return first < 0 ? undefined : segments.slice(first);
}

function keyOf({ topicId, partition }: { readonly topicId: Uuid; readonly partition: number }): string {
  return `${topicId}${partition}`;
}
