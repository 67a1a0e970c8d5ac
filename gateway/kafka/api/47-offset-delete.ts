/**
 * OffsetDelete (key 47): v0. Back: engine/broker/groups/delete-groups.ts, which refuses topics that a live group reads
 * (86). Partitions that do not exist get an error (3): offsets committed for them expire like all that nobody reads.
 */
import { errorCode } from '../../../engine/protocol/error-codes.ts';
import type { OffsetDeleteResponse } from '../../../engine/protocol/messages/47-offset-delete.ts';
import { api } from '../api.ts';
import { askCoordinator, groupFault } from '../coordinate.ts';
import { coordinatorCode } from '../failures.ts';
import { partitionFault } from '../partition-request.ts';

export const offsetDelete = api(
  47,
  { from: 0, to: 0, beside: 'alone' },
  async (call, request) => {
    const fault = groupFault(request.groupId);
    if (fault !== errorCode.none) return refusal(fault);
    // The request is rewritten with the engine's names, so keep the original.
    const asked = request.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex }) => ({
        partitionIndex,
        errorCode: partitionFault(call, name, partitionIndex),
      })),
    }));
    const topics = asked.map(({ name, partitions }) => ({ name, partitions: partitions.filter(isKnown) }));
    const answer = await askCoordinator(call, 47, request.groupId, {
      ...request,
      topics: topics.filter(({ partitions }) => partitions.length > 0),
    });
    if (answer.errorCode !== errorCode.none) return answer;
    const answered = answer.topics.flatMap(({ partitions }) => partitions).values();
    const told = asked.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map((partition) => (isKnown(partition) ? answered.next().value! : partition)),
    }));
    return { ...answer, topics: told };
  },
  (_request, { errorCode: code }) => refusal(coordinatorCode(code)),
);

function isKnown(partition: { readonly errorCode: number }): boolean {
  return partition.errorCode === errorCode.none;
}

function refusal(code: number): OffsetDeleteResponse {
  return { errorCode: code, throttleTimeMs: 0, topics: [] };
}
