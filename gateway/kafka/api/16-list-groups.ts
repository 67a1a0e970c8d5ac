/**
 * ListGroups (key 16): v0-v5. Asks all coordinators of the tenant's cluster; they apply the filters. A virtual broker with
 * its own port lists only the groups it coordinates, because some clients ask all brokers and add up the answers.
 */
import { tenantName } from '../../../tenancy/naming.ts';
import { api } from '../api.ts';
import { coordinatorCode } from '../failures.ts';

export const listGroups = api(
  16,
  { from: 0, to: 5 },
  async ({ context, door: { nodeId, advertised }, principal: { clusterId } }, request) => {
    const response = await context.engine.listGroups(clusterId, request);
    const groups = response.groups.flatMap((group) => {
      const groupId = tenantName(clusterId, group.groupId);
      if (groupId === undefined) return [];
      return nodeId === undefined || advertised.coordinator(groupId).nodeId === nodeId ? [{ ...group, groupId }] : [];
    });
    return { throttleTimeMs: 0, errorCode: response.errorCode, groups };
  },
  (_request, { errorCode: code }) => ({ throttleTimeMs: 0, errorCode: coordinatorCode(code), groups: [] }),
);
