/** LeaveGroup (key 13), v0-5: leaves a classic group. v3 removes many members at once. */
import { int16, int32, message, string, structs, type Infer } from '../schema.ts';

export const leaveGroupRequest = message('LeaveGroupRequest', 13, '0-5', '4+', {
  groupId: string('group'),
  memberId: string('plain', { until: 2 }),
  members: structs(
    {
      memberId: string('plain'),
      groupInstanceId: string('plain', { nullable: true, default: null }),
      reason: string('plain', { since: 5, nullable: true, default: null, ignorable: true }),
    },
    { since: 3 },
  ),
});
export type LeaveGroupRequest = Infer<typeof leaveGroupRequest>;

export const leaveGroupResponse = message('LeaveGroupResponse', 13, '0-5', '4+', {
  throttleTimeMs: int32({ since: 1, ignorable: true }),
  errorCode: int16(),
  members: structs(
    {
      memberId: string('plain'),
      groupInstanceId: string('plain', { nullable: true }),
      errorCode: int16(),
    },
    { since: 3 },
  ),
});
export type LeaveGroupResponse = Infer<typeof leaveGroupResponse>;
