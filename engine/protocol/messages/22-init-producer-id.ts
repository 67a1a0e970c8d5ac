/**
 * InitProducerId (key 22), v0-6: producer id and epoch for an idempotent or transactional producer. v6, two-phase
 * commit, is unstable in Kafka and not served.
 */
import { bool, int16, int32, int64, message, string, type Infer } from '../schema.ts';

export const initProducerIdRequest = message('InitProducerIdRequest', 22, '0-6', '2+', {
  transactionalId: string('txn', { nullable: true }),
  transactionTimeoutMs: int32(),
  producerId: int64({ since: 3, default: -1, entity: 'producerId' }),
  producerEpoch: int16({ since: 3, default: -1 }),
  enable2Pc: bool({ since: 6 }),
  keepPreparedTxn: bool({ since: 6 }),
});
export type InitProducerIdRequest = Infer<typeof initProducerIdRequest>;

export const initProducerIdResponse = message('InitProducerIdResponse', 22, '0-6', '2+', {
  throttleTimeMs: int32(),
  errorCode: int16(),
  producerId: int64({ default: -1, entity: 'producerId' }),
  producerEpoch: int16(),
  ongoingTxnProducerId: int64({ since: 6, default: -1, entity: 'producerId' }),
  ongoingTxnProducerEpoch: int16({ since: 6, default: -1 }),
});
export type InitProducerIdResponse = Infer<typeof initProducerIdResponse>;
