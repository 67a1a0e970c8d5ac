/** EndTxn (key 26), v0-5: commits or aborts a transaction. v5 answers with a bumped epoch (KIP-890). */
import { bool, int16, int32, int64, message, string, type Infer } from '../schema.ts';

export const endTxnRequest = message('EndTxnRequest', 26, '0-5', '3+', {
  transactionalId: string('txn'),
  producerId: int64({ entity: 'producerId' }),
  producerEpoch: int16(),
  committed: bool(),
});
export type EndTxnRequest = Infer<typeof endTxnRequest>;

export const endTxnResponse = message('EndTxnResponse', 26, '0-5', '3+', {
  throttleTimeMs: int32(),
  errorCode: int16(),
  producerId: int64({ since: 5, default: -1, ignorable: true, entity: 'producerId' }),
  producerEpoch: int16({ since: 5, default: -1, ignorable: true }),
});
export type EndTxnResponse = Infer<typeof endTxnResponse>;
