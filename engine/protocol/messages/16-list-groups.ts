/** ListGroups (key 16), v0-5: names of all groups. v4 filters by state, v5 by type. */
import { array, int16, int32, message, string, structs, type Infer } from '../schema.ts';

export const listGroupsRequest = message('ListGroupsRequest', 16, '0-5', '3+', {
  statesFilter: array(string('plain'), { since: 4 }),
  typesFilter: array(string('plain'), { since: 5 }),
});
export type ListGroupsRequest = Infer<typeof listGroupsRequest>;

export const listGroupsResponse = message('ListGroupsResponse', 16, '0-5', '3+', {
  throttleTimeMs: int32({ since: 1, ignorable: true }),
  errorCode: int16(),
  groups: structs({
    groupId: string('group'),
    protocolType: string('plain'),
    groupState: string('plain', { since: 4, ignorable: true }),
    groupType: string('plain', { since: 5, ignorable: true }),
  }),
});
export type ListGroupsResponse = Infer<typeof listGroupsResponse>;
