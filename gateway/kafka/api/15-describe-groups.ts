/**
 * DescribeGroups (key 15): v0-v6. Back: engine/broker/groups/describe-groups.ts, per group. Before v6 a group that does not
 * exist is 'Dead' and not an error, as in Kafka.
 */
import { errorCode } from '../../../engine/protocol/error-codes.ts';
import type { DescribeGroupsResponse } from '../../../engine/protocol/messages/15-describe-groups.ts';
import { api, type Call } from '../api.ts';
import { firstOfEach } from '../asked-once.ts';
import { askCoordinator, forEachGroup, groupFault } from '../coordinate.ts';
import { coordinatorCode, refusalOf } from '../failures.ts';
import { subscriptionToTenant } from '../subscription-names.ts';
import { groupOperations, noOperations } from '../topic-view.ts';

type Described = DescribeGroupsResponse['groups'][number];

const firstNotFoundVersion = 6;

export const describeGroups = api(
  15,
  { from: 0, to: 6 },
  async (call, request) => {
    const operations = request.includeAuthorizedOperations ? groupOperations : noOperations;
    const asked = firstOfEach(request.groups, (groupId) => groupId);
    const groups = await forEachGroup(call, asked, (groupId) => describe(call, groupId));
    for (const group of groups)
      group.authorizedOperations = group.errorCode === errorCode.none ? operations : noOperations;
    return { throttleTimeMs: 0, groups };
  },
  (request, { errorCode: code }) => ({
    throttleTimeMs: 0,
    groups: request.groups.map((groupId) => failed(groupId, coordinatorCode(code))),
  }),
);

async function describe(call: Call, groupId: string): Promise<Described> {
  const fault = groupFault(groupId, true);
  if (fault !== errorCode.none) return failed(groupId, fault);
  try {
    const request = { groups: [groupId], includeAuthorizedOperations: false };
    const described = (await askCoordinator(call, 15, groupId, request)).groups[0]!;
    if (described.protocolType === 'consumer') {
      for (const member of described.members) {
        member.memberMetadata = subscriptionToTenant(call.principal.clusterId, member.memberMetadata);
      }
    }
    if (call.version >= firstNotFoundVersion) return described;
    described.errorMessage = null;
    if (described.errorCode === errorCode.groupIdNotFound) {
      described.errorCode = errorCode.none;
      described.groupState = 'Dead';
    }
    return described;
  } catch (error) {
    return failed(groupId, coordinatorCode(refusalOf(error, call.principal).errorCode));
  }
}

function failed(groupId: string, code: number): Described {
  return {
    errorCode: code,
    errorMessage: null,
    groupId,
    groupState: '',
    protocolType: '',
    protocolData: '',
    members: [],
    authorizedOperations: noOperations,
  };
}
