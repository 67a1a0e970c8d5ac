/**
 * JoinGroup (key 11): v0-v9. Back: engine/broker/groups/join-group.ts, called in version 9, or 8 for a static member that
 * cannot be told to skip the assignment. Refused: a new group over the cluster's groupsMax (81).
 *
 * Since v4 a member that joins without an id is sent away with one (KIP-394). Older clients do not know that step, so the
 * gateway takes it for them.
 */
import { errorCode } from '../../../engine/protocol/error-codes.ts';
import type { JoinGroupRequest, JoinGroupResponse } from '../../../engine/protocol/messages/11-join-group.ts';
import { api, type Call } from '../api.ts';
import { askCoordinator, coordinatorVersion, groupFault, mayUseGroup } from '../coordinate.ts';
import { coordinatorCode } from '../failures.ts';
import { subscriptionToEngine, subscriptionToTenant } from '../subscription-names.ts';

const consumerProtocol = 'consumer';
const firstRebalanceTimeoutVersion = 1;
const firstIdRequiredVersion = 4;
const firstNullProtocolVersion = 7;
const firstSkipVersion = 9;

export const joinGroup = api(
  11,
  { from: 0, to: 9, charge: 'counted', queues: false },
  async (call, request) => {
    const fault = groupFault(request.groupId);
    if (fault !== errorCode.none) return refusal(request, fault, call.version);
    if (!(await mayUseGroup(call, request.groupId))) {
      return refusal(request, errorCode.groupMaxSizeReached, call.version);
    }
    if (call.version < firstRebalanceTimeoutVersion) request.rebalanceTimeoutMs = request.sessionTimeoutMs;
    return fit(call.version, await join(call, request));
  },
  (request, { errorCode: code }, { version }) => refusal(request, coordinatorCode(code), version),
);

async function join(call: Call, request: JoinGroupRequest): Promise<JoinGroupResponse> {
  const { clusterId } = call.principal;
  if (request.protocolType === consumerProtocol) {
    for (const protocol of request.protocols) protocol.metadata = subscriptionToEngine(clusterId, protocol.metadata);
  }
  const response = await newest(call, request);
  if (request.protocolType === consumerProtocol) {
    for (const member of response.members) member.metadata = subscriptionToTenant(clusterId, member.metadata);
  }
  return response;
}

async function newest(call: Call, request: JoinGroupRequest): Promise<JoinGroupResponse> {
  const isOldStatic = request.groupInstanceId !== null && call.version < firstSkipVersion;
  const version = isOldStatic ? firstSkipVersion - 1 : coordinatorVersion(11);
  const response = await askCoordinator(call, 11, request.groupId, { ...request }, version);
  const isSentBack = response.errorCode === errorCode.memberIdRequired && response.memberId !== '';
  if (call.version >= firstIdRequiredVersion || !isSentBack) return response;
  return askCoordinator(call, 11, request.groupId, { ...request, memberId: response.memberId }, version);
}

function fit(version: number, response: JoinGroupResponse): JoinGroupResponse {
  if (version < firstNullProtocolVersion) response.protocolName ??= '';
  return response;
}

function refusal(request: JoinGroupRequest, code: number, version: number): JoinGroupResponse {
  return {
    throttleTimeMs: 0,
    errorCode: code,
    generationId: -1,
    protocolType: null,
    protocolName: version < firstNullProtocolVersion ? '' : null,
    leader: '',
    skipAssignment: false,
    memberId: request.memberId,
    members: [],
  };
}
