/** AddOffsetsToTxn (key 25), v0-4: adds a group's offsets to a transaction. */
import { int16, int32, int64, message, string, type Infer } from '../schema.ts';

export const addOffsetsToTxnRequest = message('AddOffsetsToTxnRequest', 25, '0-4', '3+', {
  transactionalId: string('txn'),
  producerId: int64({ entity: 'producerId' }),
  producerEpoch: int16(),
  groupId: string('group'),
});
export type AddOffsetsToTxnRequest = Infer<typeof addOffsetsToTxnRequest>;

export const addOffsetsToTxnResponse = message('AddOffsetsToTxnResponse', 25, '0-4', '3+', {
  throttleTimeMs: int32(),
  errorCode: int16(),
});
export type AddOffsetsToTxnResponse = Infer<typeof addOffsetsToTxnResponse>;
