/** ListTransactions (key 66), v0-2: lists transactions (KIP-664). */
import { array, int16, int32, int64, message, string, structs, type Infer } from '../schema.ts';

export const listTransactionsRequest = message('ListTransactionsRequest', 66, '0-2', '0+', {
  stateFilters: array(string('plain')),
  producerIdFilters: array(int64({ entity: 'producerId' })),
  durationFilter: int64({ since: 1, default: -1, saturates: true }),
  transactionalIdPattern: string('plain', { since: 2, nullable: true, default: null }),
});
export type ListTransactionsRequest = Infer<typeof listTransactionsRequest>;

export const listTransactionsResponse = message('ListTransactionsResponse', 66, '0-2', '0+', {
  throttleTimeMs: int32(),
  errorCode: int16(),
  unknownStateFilters: array(string('plain')),
  transactionStates: structs({
    transactionalId: string('txn'),
    producerId: int64({ entity: 'producerId' }),
    transactionState: string('plain'),
  }),
});
export type ListTransactionsResponse = Infer<typeof listTransactionsResponse>;
