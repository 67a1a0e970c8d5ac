/** DeleteTopics (key 20), v1-6: deletes topics. v6 takes names or ids. */
import { array, int16, int32, message, string, structs, uuid, type Infer } from '../schema.ts';

export const deleteTopicsRequest = message('DeleteTopicsRequest', 20, '1-6', '4+', {
  topics: structs(
    {
      name: string('topic', { nullable: true, default: null }),
      topicId: uuid('topicId'),
    },
    { since: 6 },
  ),
  topicNames: array(string('topic'), { until: 5, ignorable: true }),
  timeoutMs: int32(),
});
export type DeleteTopicsRequest = Infer<typeof deleteTopicsRequest>;

export const deleteTopicsResponse = message('DeleteTopicsResponse', 20, '1-6', '4+', {
  throttleTimeMs: int32(),
  responses: structs({
    name: string('topic', { nullable: 6 }),
    topicId: uuid('topicId', { since: 6, ignorable: true }),
    errorCode: int16(),
    errorMessage: string('errorText', { since: 5, nullable: true, default: null, ignorable: true }),
  }),
});
export type DeleteTopicsResponse = Infer<typeof deleteTopicsResponse>;
