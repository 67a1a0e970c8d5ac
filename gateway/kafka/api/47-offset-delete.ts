/**
 * OffsetDelete (key 47): v0. Back: engine/broker/groups/delete-groups.ts, which refuses topics that a live group reads
 * (86). Topics that do not exist any more may still have offsets, so they are not looked up first.
 */
import { errorCode } from '../../../engine/protocol/error-codes.ts';
import type { OffsetDeleteResponse } from '../../../engine/protocol/messages/47-offset-delete.ts';
import { api } from '../api.ts';
import { askCoordinator, groupFault } from '../coordinate.ts';
import { coordinatorCode } from '../failures.ts';

export const offsetDelete = api(
  47,
  { from: 0, to: 0, beside: 'alone' },
  (call, request) => {
    const fault = groupFault(request.groupId, true);
    if (fault !== errorCode.none) return refusal(fault);
    return askCoordinator(call, 47, request.groupId, request);
  },
  (_request, { errorCode: code }) => refusal(coordinatorCode(code)),
);

function refusal(code: number): OffsetDeleteResponse {
  return { errorCode: code, throttleTimeMs: 0, topics: [] };
}
