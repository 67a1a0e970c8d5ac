/** SyncGroup (key 14): v0-v5. Back: engine/broker/groups/sync-group.ts. Refused: v5 without protocol type and name (23). */
import { errorCode } from '../../../engine/protocol/error-codes.ts';
import type { SyncGroupResponse } from '../../../engine/protocol/messages/14-sync-group.ts';
import { api } from '../api.ts';
import { askCoordinator, groupFault } from '../coordinate.ts';
import { coordinatorCode } from '../failures.ts';

const firstProtocolVersion = 5;

export const syncGroup = api(
  14,
  { from: 0, to: 5, charge: 'counted', queues: false },
  (call, request) => {
    const hasProtocol = request.protocolType !== null && request.protocolName !== null;
    if (call.version >= firstProtocolVersion && !hasProtocol) return refusal(errorCode.inconsistentGroupProtocol);
    const fault = groupFault(request.groupId);
    if (fault !== errorCode.none) return refusal(fault);
    return askCoordinator(call, 14, request.groupId, request);
  },
  (_request, { errorCode: code }) => refusal(coordinatorCode(code)),
);

const noBytes = Buffer.alloc(0);

function refusal(code: number): SyncGroupResponse {
  return { throttleTimeMs: 0, errorCode: code, protocolType: null, protocolName: null, assignment: noBytes };
}
