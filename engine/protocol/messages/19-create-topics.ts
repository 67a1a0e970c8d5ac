/** CreateTopics (key 19), v2-7: creates topics. v5 answers with the configuration, v7 with the topic id. */
import { array, bool, int16, int32, int8, message, string, structs, uuid, type Infer } from '../schema.ts';

export const createTopicsRequest = message('CreateTopicsRequest', 19, '2-7', '5+', {
  topics: structs({
    name: string('topic'),
    numPartitions: int32(),
    replicationFactor: int16(),
    assignments: structs({ partitionIndex: int32(), brokerIds: array(int32({ entity: 'node' })) }),
    configs: structs({ name: string('plain'), value: string('plain', { nullable: true }) }),
  }),
  timeoutMs: int32({ default: 60000 }),
  validateOnly: bool(),
});
export type CreateTopicsRequest = Infer<typeof createTopicsRequest>;

export const createTopicsResponse = message('CreateTopicsResponse', 19, '2-7', '5+', {
  throttleTimeMs: int32(),
  topics: structs({
    name: string('topic'),
    topicId: uuid('topicId', { since: 7, ignorable: true }),
    errorCode: int16(),
    errorMessage: string('errorText', { nullable: true }),
    topicConfigErrorCode: int16({ since: 5, tag: 0, ignorable: true }),
    numPartitions: int32({ since: 5, default: -1, ignorable: true }),
    replicationFactor: int16({ since: 5, default: -1, ignorable: true }),
    configs: structs(
      {
        name: string('plain'),
        value: string('plain', { nullable: true }),
        readOnly: bool(),
        configSource: int8({ default: -1 }),
        isSensitive: bool(),
      },
      { since: 5, nullable: true, ignorable: true },
    ),
  }),
});
export type CreateTopicsResponse = Infer<typeof createTopicsResponse>;
