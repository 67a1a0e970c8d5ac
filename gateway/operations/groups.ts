/**
 * Consumer groups as a tenant sees them, for the doors that do not speak Kafka and for the control plane: list, lag,
 * delete.
 */
import { Failure } from '../../engine/kernel/failure.ts';
import { errorCode } from '../../engine/protocol/error-codes.ts';
import { NotFound } from '../../tenancy/failures.ts';
import { innerName, tenantName } from '../../tenancy/naming.ts';
import type { Principal } from '../../tenancy/tenancy.ts';
import type { GatewayContext } from '../context.ts';
import { CoordinatorUnavailable } from '../failures.ts';
import { type GroupOffset, groupOffsets } from './group-offsets.ts';

export interface GroupSummary {
  readonly groupId: string;
  readonly state: string;
  readonly protocolType: string;
}

interface GroupMember {
  readonly memberId: string;
  readonly instanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
}

export interface GroupDetail extends GroupSummary {
  readonly members: readonly GroupMember[];
  readonly offsets: readonly GroupOffset[];
  readonly lag: number;
}

const client = { clientId: 'headgate', clientHost: '' };
/** The API versions whose fields the code below uses. */
const describeVersion = 5;
const deleteVersion = 2;

/** All groups of the cluster. Throws CoordinatorUnavailable when some may be missing. */
export async function listGroups({ engine }: GatewayContext, principal: Principal): Promise<GroupSummary[]> {
  const response = await engine.listGroups(principal.clusterId, { statesFilter: [], typesFilter: [] });
  if (response.errorCode !== errorCode.none) throw new CoordinatorUnavailable(response.errorCode);
  const groups: GroupSummary[] = [];
  for (const group of response.groups) {
    const groupId = tenantName(principal.clusterId, group.groupId);
    if (groupId !== undefined) groups.push({ groupId, state: group.groupState, protocolType: group.protocolType });
  }
  return groups.sort((a, b) => (a.groupId < b.groupId ? -1 : 1));
}

/** Throws NotFound, CoordinatorUnavailable, and OwnerUnavailable when the end of a partition cannot be read. */
export async function describeGroup(
  context: GatewayContext,
  principal: Principal,
  groupId: string,
): Promise<GroupDetail> {
  const inner = innerName(principal.clusterId, groupId);
  const target = { clusterId: principal.clusterId, groupId: inner };
  const request = { groups: [inner], includeAuthorizedOperations: false };
  const described = await context.engine.coordinatorRequest(15, target, request, {
    ...client,
    version: describeVersion,
  });
  const group = described.groups[0]!;
  if (group.errorCode === errorCode.groupIdNotFound || group.groupState === 'Dead')
    throw new NotFound('group', groupId);
  if (group.errorCode !== errorCode.none) throw new CoordinatorUnavailable(group.errorCode, groupId);
  const offsets = await groupOffsets(context, principal, groupId);
  return {
    groupId,
    state: group.groupState,
    protocolType: group.protocolType,
    members: group.members.map((m) => ({
      memberId: m.memberId,
      instanceId: m.groupInstanceId,
      clientId: m.clientId,
      clientHost: m.clientHost,
    })),
    offsets,
    lag: offsets.reduce((sum, { lag }) => sum + lag, 0),
  };
}

export class GroupNotEmpty extends Failure {
  readonly code = 'invalid-request';
}

/** Throws NotFound, GroupNotEmpty while the group has members, CoordinatorUnavailable. */
export async function deleteGroup(context: GatewayContext, principal: Principal, groupId: string): Promise<void> {
  const inner = innerName(principal.clusterId, groupId);
  const target = { clusterId: principal.clusterId, groupId: inner };
  const response = await context.engine.coordinatorRequest(
    42,
    target,
    { groupsNames: [inner] },
    { ...client, version: deleteVersion },
  );
  const code = response.results[0]?.errorCode ?? errorCode.groupIdNotFound;
  if (code === errorCode.groupIdNotFound) throw new NotFound('group', groupId);
  if (code === errorCode.nonEmptyGroup) throw new GroupNotEmpty(`group '${groupId}' still has members`);
  if (code !== errorCode.none) throw new CoordinatorUnavailable(code, groupId);
}
