/** DescribeGroups (key 15), v0-6: members and state of classic groups. v6 answers GROUP_ID_NOT_FOUND with a text. */
import { array, bool, bytes, int16, int32, message, string, structs, type Infer } from '../schema.ts';

export const describeGroupsRequest = message('DescribeGroupsRequest', 15, '0-6', '5+', {
  groups: array(string('group')),
  includeAuthorizedOperations: bool({ since: 3 }),
});
export type DescribeGroupsRequest = Infer<typeof describeGroupsRequest>;

export const describeGroupsResponse = message('DescribeGroupsResponse', 15, '0-6', '5+', {
  throttleTimeMs: int32({ since: 1, ignorable: true }),
  groups: structs({
    errorCode: int16(),
    errorMessage: string('errorText', { since: 6, nullable: true, default: null }),
    groupId: string('group'),
    groupState: string('plain'),
    protocolType: string('plain'),
    protocolData: string('plain'),
    members: structs({
      memberId: string('plain'),
      groupInstanceId: string('plain', { since: 4, nullable: true, default: null, ignorable: true }),
      clientId: string('plain'),
      clientHost: string('address'),
      memberMetadata: bytes('opaque'),
      memberAssignment: bytes('opaque'),
    }),
    authorizedOperations: int32({ since: 3, default: -2147483648 }),
  }),
});
export type DescribeGroupsResponse = Infer<typeof describeGroupsResponse>;
