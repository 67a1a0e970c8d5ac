/** Heartbeat (key 12): v0-v4. Back: engine/broker/groups/heartbeat.ts. Counted against the quota, never held back by it. */
import { errorCode } from '../../../engine/protocol/error-codes.ts';
import { api } from '../api.ts';
import { askCoordinator, groupFault } from '../coordinate.ts';
import { coordinatorCode } from '../failures.ts';

export const heartbeat = api(
  12,
  { from: 0, to: 4, charge: 'counted' },
  (call, request) => {
    const fault = groupFault(request.groupId);
    if (fault !== errorCode.none) return { throttleTimeMs: 0, errorCode: fault };
    return askCoordinator(call, 12, request.groupId, request);
  },
  (_request, { errorCode: code }) => ({ throttleTimeMs: 0, errorCode: coordinatorCode(code) }),
);
