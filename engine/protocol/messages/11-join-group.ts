/**
 * JoinGroup (key 11), v0-9: enters a classic consumer group and waits for the generation. v4 requires the assigned member
 * id, v5 knows static members.
 */
import { bool, bytes, int16, int32, message, string, structs, type Infer } from '../schema.ts';

export const joinGroupRequest = message('JoinGroupRequest', 11, '0-9', '6+', {
  groupId: string('group'),
  sessionTimeoutMs: int32(),
  rebalanceTimeoutMs: int32({ since: 1, default: -1, ignorable: true }),
  memberId: string('plain'),
  groupInstanceId: string('plain', { since: 5, nullable: true, default: null }),
  protocolType: string('plain'),
  protocols: structs({ name: string('plain'), metadata: bytes('opaque') }),
  reason: string('plain', { since: 8, nullable: true, default: null, ignorable: true }),
});
export type JoinGroupRequest = Infer<typeof joinGroupRequest>;

export const joinGroupResponse = message('JoinGroupResponse', 11, '0-9', '6+', {
  throttleTimeMs: int32({ since: 2, ignorable: true }),
  errorCode: int16(),
  generationId: int32({ default: -1 }),
  protocolType: string('plain', { since: 7, nullable: true, default: null, ignorable: true }),
  protocolName: string('plain', { nullable: 7 }),
  leader: string('plain'),
  skipAssignment: bool({ since: 9 }),
  memberId: string('plain'),
  members: structs({
    memberId: string('plain'),
    groupInstanceId: string('plain', { since: 5, nullable: true, default: null, ignorable: true }),
    metadata: bytes('opaque'),
  }),
});
export type JoinGroupResponse = Infer<typeof joinGroupResponse>;
