/**
 * ListPartitionReassignments (key 46): v0. Always empty: the replicas that clients see are virtual and change at once,
 * while logs move below them unseen. kafka-topics --describe sends this request.
 */
import { errorCode } from '../../../engine/protocol/error-codes.ts';
import type { ListPartitionReassignmentsResponse } from '../../../engine/protocol/messages/46-list-partition-reassignments.ts';
import { api } from '../api.ts';

export const listPartitionReassignments = api(
  46,
  { from: 0, to: 0 },
  () => answer(errorCode.none, null),
  (_request, { errorCode: code, message }) => answer(code, message),
);

function answer(code: number, errorMessage: string | null): ListPartitionReassignmentsResponse {
  return { throttleTimeMs: 0, errorCode: code, errorMessage, topics: [] };
}
