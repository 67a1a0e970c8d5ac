/**
 * DeleteGroups (key 42): v0-v2. Back: engine/broker/groups/delete-groups.ts, per group. A group named twice is answered
 * once, as by Kafka.
 */
import { errorCode } from '../../../engine/protocol/error-codes.ts';
import { api, type Call } from '../api.ts';
import { firstOfEach } from '../asked-once.ts';
import { askCoordinator, forEachGroup, groupFault } from '../coordinate.ts';
import { coordinatorCode, refusalOf } from '../failures.ts';

export const deleteGroups = api(
  42,
  { from: 0, to: 2, beside: 'alone' },
  async (call, request) => ({
    throttleTimeMs: 0,
    results: await forEachGroup(
      call,
      firstOfEach(request.groupsNames, (groupId) => groupId),
      async (groupId) => ({ groupId, errorCode: await remove(call, groupId) }),
    ),
  }),
  (request, { errorCode: code }) => ({
    throttleTimeMs: 0,
    results: request.groupsNames.map((groupId) => ({ groupId, errorCode: coordinatorCode(code) })),
  }),
);

async function remove(call: Call, groupId: string): Promise<number> {
  const fault = groupFault(groupId, true);
  if (fault !== errorCode.none) return fault;
  try {
    const response = await askCoordinator(call, 42, groupId, { groupsNames: [groupId] });
    return response.results[0]?.errorCode ?? errorCode.unknownServerError;
  } catch (error) {
    return coordinatorCode(refusalOf(error, call.principal).errorCode);
  }
}
