/** OffsetDelete (key 47), v0: deletes a group's offsets for topics it is not subscribed to. Never flexible. */
import { int16, int32, message, string, structs, type Infer } from '../schema.ts';

export const offsetDeleteRequest = message('OffsetDeleteRequest', 47, '0', 'none', {
  groupId: string('group'),
  topics: structs({
    name: string('topic'),
    partitions: structs({ partitionIndex: int32() }),
  }),
});
export type OffsetDeleteRequest = Infer<typeof offsetDeleteRequest>;

export const offsetDeleteResponse = message('OffsetDeleteResponse', 47, '0', 'none', {
  errorCode: int16(),
  throttleTimeMs: int32(),
  topics: structs({
    name: string('topic'),
    partitions: structs({ partitionIndex: int32(), errorCode: int16() }),
  }),
});
export type OffsetDeleteResponse = Infer<typeof offsetDeleteResponse>;
