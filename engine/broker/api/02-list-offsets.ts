/**
 * ListOffsets (key 2) at the owner: -1 latest, -2 earliest, -3 the record with the largest timestamp, -4 earliest local
 * (the same as earliest: nothing is tiered), -5 and -6 (tiered storage) have no answer, any other number is a
 * timestamp. Refused: while the process may have slept through its succession (wakefulness.ts).
 *
 * Searching for a timestamp looks inside batches, which may take long to decompress, in as many partitions as a client
 * cares to name. A search not finished within `lookMsMax` is answered with REQUEST_TIMED_OUT, and may be repeated.
 * Otherwise a gateway would take a broker that is silent for longer (link.ts) for hung, and end the link, which other
 * requests use as well.
 */
import type { Catalogue } from '../../engine.ts';
import type { Clock } from '../../kernel/clock.ts';
import { Failure, Overloaded } from '../../kernel/failure.ts';
import { Lanes } from '../../kernel/lanes.ts';
import { inTime, late } from '../../kernel/request-time.ts';
import type { Uuid } from '../../kernel/uuid.ts';
import type { PartitionLog, TimedOffset } from '../../log/log.ts';
import { errorCode } from '../../protocol/error-codes.ts';
import type { ListOffsetsRequest, ListOffsetsResponse } from '../../protocol/messages/02-list-offsets.ts';
import { epochFault } from '../epoch-fault.ts';
import { ownedByName } from '../inner-topic.ts';
import type { Ownership } from '../ownership.ts';

const nowhere = { timestamp: -1, offset: -1, leaderEpoch: -1 };

const lookMsMax = 5_000;
/** Partitions of a request searched concurrently. Those after them cost nothing once the time is over. */
const looksTogetherMax = 4;

export interface ListOffsetsParts {
  readonly catalogue: Catalogue;
  readonly ownership: Ownership;
  readonly clock: Clock;
  readonly isAwake: () => boolean;
  /** Of the request's topics, as far as its sender says. */
  readonly topicIds?: readonly (Uuid | undefined)[];
}

export async function listOffsets(
  { catalogue, ownership, clock, isAwake, topicIds }: ListOffsetsParts,
  request: ListOffsetsRequest,
): Promise<ListOffsetsResponse> {
  const looks = new Looks(clock);
  const topics = request.topics.map(async ({ name, partitions }, t) => ({
    name,
    partitions: await Promise.all(
      partitions.map(async ({ partitionIndex, currentLeaderEpoch, timestamp }) => {
        const owned = await ownedByName(
          catalogue,
          ownership,
          { name, topicId: topicIds?.[t] },
          partitionIndex,
          currentLeaderEpoch,
        );
        if ('errorCode' in owned) return { partitionIndex, errorCode: owned.errorCode, ...nowhere };
        if (!isAwake()) return { partitionIndex, errorCode: errorCode.notLeaderOrFollower, ...nowhere };
        const { log } = owned;
        const fault = epochFault(log, currentLeaderEpoch);
        if (fault !== errorCode.none) return { partitionIndex, errorCode: fault, ...nowhere };
        try {
          return { partitionIndex, errorCode: errorCode.none, ...(await find(log, timestamp, looks)) };
        } catch (error) {
          if (!(error instanceof Failure)) throw error;
          return { partitionIndex, errorCode: codeOf(error, log), ...nowhere };
        }
      }),
    ),
  }));
  return { throttleTimeMs: 0, topics: await Promise.all(topics) };
}

/** Damaged or unreachable data fails only its own partition: the request's other partitions get their answer. */
function codeOf(failure: Failure, log: PartitionLog): number {
  if (failure instanceof Overloaded) return errorCode.requestTimedOut;
  // The log was given away meanwhile, and its files now belong to the next owner.
  return log.isOpen ? errorCode.kafkaStorageError : errorCode.notLeaderOrFollower;
}

/** For Kafka, a log without records begins with the epoch that its next record will have. */
function epochOfStart(log: PartitionLog): number {
  const isEmpty = log.startOffset === log.highWatermark;
  return isEmpty ? log.leaderEpoch : log.epochAt(log.startOffset);
}

async function find(log: PartitionLog, timestamp: number, looks: Looks): Promise<TimedOffset> {
  switch (timestamp) {
    case -1:
      return { timestamp: -1, offset: log.highWatermark, leaderEpoch: log.leaderEpoch };
    case -2:
    case -4:
      return { timestamp: -1, offset: log.startOffset, leaderEpoch: epochOfStart(log) };
    case -3:
      return looks.run(() => log.offsetOfMaxTimestamp());
    default:
      return timestamp < 0 ? nowhere : looks.run(() => log.offsetForTimestamp(timestamp));
  }
}

/** The look-ups of one request. */
class Looks {
  readonly #clock: Clock;
  readonly #untilMs: number;
  readonly #lanes = new Lanes(looksTogetherMax);

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#untilMs = clock.monotonicMs() + lookMsMax;
  }

  /** Throws Overloaded when the time is over. */
  async run(look: () => Promise<TimedOffset>): Promise<TimedOffset> {
    const begun = this.#lanes.run(async () => {
      if (this.#leftMs() <= 0) throw new Overloaded('the time for lookups is over');
      return look();
    });
    const found = await inTime(this.#clock, this.#leftMs(), begun);
    if (found === late) throw new Overloaded('a lookup takes too long');
    return found;
  }

  #leftMs(): number {
    return this.#untilMs - this.#clock.monotonicMs();
  }
}
