/** CreatePartitions (key 37), v0-3: adds partitions to topics. */
import { array, bool, int16, int32, message, string, structs, type Infer } from '../schema.ts';

export const createPartitionsRequest = message('CreatePartitionsRequest', 37, '0-3', '2+', {
  topics: structs({
    name: string('topic'),
    count: int32(),
    assignments: structs({ brokerIds: array(int32({ entity: 'node' })) }, { nullable: true }),
  }),
  timeoutMs: int32(),
  validateOnly: bool(),
});
export type CreatePartitionsRequest = Infer<typeof createPartitionsRequest>;

export const createPartitionsResponse = message('CreatePartitionsResponse', 37, '0-3', '2+', {
  throttleTimeMs: int32(),
  results: structs({
    name: string('topic'),
    errorCode: int16(),
    errorMessage: string('errorText', { nullable: true, default: null }),
  }),
});
export type CreatePartitionsResponse = Infer<typeof createPartitionsResponse>;
