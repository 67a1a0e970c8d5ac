/** Heartbeat (key 12), v0-4: keeps a member of a classic group alive and tells it when to rejoin. */
import { int16, int32, message, string, type Infer } from '../schema.ts';

export const heartbeatRequest = message('HeartbeatRequest', 12, '0-4', '4+', {
  groupId: string('group'),
  generationId: int32(),
  memberId: string('plain'),
  groupInstanceId: string('plain', { since: 3, nullable: true, default: null }),
});
export type HeartbeatRequest = Infer<typeof heartbeatRequest>;

export const heartbeatResponse = message('HeartbeatResponse', 12, '0-4', '4+', {
  throttleTimeMs: int32({ since: 1, ignorable: true }),
  errorCode: int16(),
});
export type HeartbeatResponse = Infer<typeof heartbeatResponse>;
