/** DeleteGroups (key 42), v0-2: deletes empty groups. */
import { array, int16, int32, message, string, structs, type Infer } from '../schema.ts';

export const deleteGroupsRequest = message('DeleteGroupsRequest', 42, '0-2', '2+', {
  groupsNames: array(string('group')),
});
export type DeleteGroupsRequest = Infer<typeof deleteGroupsRequest>;

export const deleteGroupsResponse = message('DeleteGroupsResponse', 42, '0-2', '2+', {
  throttleTimeMs: int32(),
  results: structs({ groupId: string('group'), errorCode: int16() }),
});
export type DeleteGroupsResponse = Infer<typeof deleteGroupsResponse>;
