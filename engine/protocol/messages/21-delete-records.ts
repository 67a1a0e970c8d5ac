/** DeleteRecords (key 21), v0-2: moves the start of partitions forward. */
import { int16, int32, int64, message, string, structs, type Infer } from '../schema.ts';

export const deleteRecordsRequest = message('DeleteRecordsRequest', 21, '0-2', '2+', {
  topics: structs({
    name: string('topic'),
    partitions: structs({ partitionIndex: int32(), offset: int64({ saturates: true }) }),
  }),
  timeoutMs: int32(),
});
export type DeleteRecordsRequest = Infer<typeof deleteRecordsRequest>;

export const deleteRecordsResponse = message('DeleteRecordsResponse', 21, '0-2', '2+', {
  throttleTimeMs: int32(),
  topics: structs({
    name: string('topic'),
    partitions: structs({ partitionIndex: int32(), lowWatermark: int64(), errorCode: int16() }),
  }),
});
export type DeleteRecordsResponse = Infer<typeof deleteRecordsResponse>;
