/**
 * AddPartitionsToTxn (key 24), v0-5: adds partitions to a transaction. v4 and later are for brokers, with many transactions
 * in one request.
 */
import { array, bool, int16, int32, int64, message, string, structs, type Infer } from '../schema.ts';

export const addPartitionsToTxnRequest = message('AddPartitionsToTxnRequest', 24, '0-5', '3+', {
  transactions: structs(
    {
      transactionalId: string('txn'),
      producerId: int64({ entity: 'producerId' }),
      producerEpoch: int16(),
      verifyOnly: bool(),
      topics: structs({ name: string('topic'), partitions: array(int32()) }),
    },
    { since: 4 },
  ),
  v3AndBelowTransactionalId: string('txn', { until: 3 }),
  v3AndBelowProducerId: int64({ until: 3, entity: 'producerId' }),
  v3AndBelowProducerEpoch: int16({ until: 3 }),
  v3AndBelowTopics: structs({ name: string('topic'), partitions: array(int32()) }, { until: 3 }),
});
export type AddPartitionsToTxnRequest = Infer<typeof addPartitionsToTxnRequest>;

export const addPartitionsToTxnResponse = message('AddPartitionsToTxnResponse', 24, '0-5', '3+', {
  throttleTimeMs: int32(),
  errorCode: int16({ since: 4, ignorable: true }),
  resultsByTransaction: structs(
    {
      transactionalId: string('txn'),
      topicResults: structs({
        name: string('topic'),
        resultsByPartition: structs({ partitionIndex: int32(), partitionErrorCode: int16() }),
      }),
    },
    { since: 4 },
  ),
  resultsByTopicV3AndBelow: structs(
    {
      name: string('topic'),
      resultsByPartition: structs({ partitionIndex: int32(), partitionErrorCode: int16() }),
    },
    { until: 3 },
  ),
});
export type AddPartitionsToTxnResponse = Infer<typeof addPartitionsToTxnResponse>;
