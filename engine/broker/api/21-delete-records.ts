/**
 * DeleteRecords (key 21) at the owner: moves the start of a log forward, durably. Offset -1 means the high watermark.
 *
 * A deletion that the store does not accept within `deleteMsMax` is answered with REQUEST_TIMED_OUT and may still
 * happen. Otherwise a gateway would take a broker that is silent for longer (link.ts) for hung, and end the link, which
 * other requests use as well.
 */
import type { Catalogue } from '../../engine.ts';
import type { Clock } from '../../kernel/clock.ts';
import { Failure } from '../../kernel/failure.ts';
import { inTime, late } from '../../kernel/request-time.ts';
import type { Uuid } from '../../kernel/uuid.ts';
import { errorCode } from '../../protocol/error-codes.ts';
import type { DeleteRecordsRequest, DeleteRecordsResponse } from '../../protocol/messages/21-delete-records.ts';
import { ownedByName } from '../inner-topic.ts';
import type { Ownership } from '../ownership.ts';

const deleteMsMax = 10_000;

export async function deleteRecords(
  {
    catalogue,
    ownership,
    clock,
    isAwake = () => true,
    topicIds,
  }: {
    readonly catalogue: Catalogue;
    readonly ownership: Ownership;
    readonly clock: Clock;
    readonly isAwake?: () => boolean;
    /** Of the request's topics, as far as its sender says. */
    readonly topicIds?: readonly (Uuid | undefined)[];
  },
  request: DeleteRecordsRequest,
): Promise<DeleteRecordsResponse> {
  const topics = request.topics.map(async ({ name, partitions }, t) => ({
    name,
    partitions: await Promise.all(
      partitions.map(async ({ partitionIndex, offset }) => {
        const refusal = (code: number) => ({ partitionIndex, lowWatermark: -1, errorCode: code });
        const owned = await ownedByName(catalogue, ownership, { name, topicId: topicIds?.[t] }, partitionIndex);
        if ('errorCode' in owned) return refusal(owned.errorCode);
        // A broker that slept through its succession does not know where its log ends (wakefulness.ts).
        if (!isAwake()) return refusal(errorCode.notLeaderOrFollower);
        const { log } = owned;
        try {
          const done = await inTime(clock, deleteMsMax, log.deleteRecords(offset));
          return done === late ? refusal(errorCode.requestTimedOut) : { partitionIndex, ...done };
        } catch (error) {
          if (!(error instanceof Failure)) throw error;
          return refusal(log.isOpen ? errorCode.kafkaStorageError : errorCode.notLeaderOrFollower);
        }
      }),
    ),
  }));
  return { throttleTimeMs: 0, topics: await Promise.all(topics) };
}
