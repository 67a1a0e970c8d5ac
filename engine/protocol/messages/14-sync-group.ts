/** SyncGroup (key 14), v0-5: the leader sends the assignment, and every member gets its part. */
import { bytes, int16, int32, message, string, structs, type Infer } from '../schema.ts';

export const syncGroupRequest = message('SyncGroupRequest', 14, '0-5', '4+', {
  groupId: string('group'),
  generationId: int32(),
  memberId: string('plain'),
  groupInstanceId: string('plain', { since: 3, nullable: true, default: null }),
  protocolType: string('plain', { since: 5, nullable: true, default: null, ignorable: true }),
  protocolName: string('plain', { since: 5, nullable: true, default: null, ignorable: true }),
  assignments: structs({ memberId: string('plain'), assignment: bytes('opaque') }),
});
export type SyncGroupRequest = Infer<typeof syncGroupRequest>;

export const syncGroupResponse = message('SyncGroupResponse', 14, '0-5', '4+', {
  throttleTimeMs: int32({ since: 1, ignorable: true }),
  errorCode: int16(),
  protocolType: string('plain', { since: 5, nullable: true, default: null, ignorable: true }),
  protocolName: string('plain', { since: 5, nullable: true, default: null, ignorable: true }),
  assignment: bytes('opaque'),
});
export type SyncGroupResponse = Infer<typeof syncGroupResponse>;
