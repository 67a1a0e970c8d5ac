/**
 * ListTransactions (key 66): v0-v2. Always empty: transactions are not served. The answer names states that Kafka does not
 * know.
 */
import { errorCode } from '../../../engine/protocol/error-codes.ts';
import { api } from '../api.ts';

/** Kafka's TransactionState, as it writes them. */
const states: ReadonlySet<string> = new Set([
  'Empty',
  'Ongoing',
  'PrepareCommit',
  'PrepareAbort',
  'CompleteCommit',
  'CompleteAbort',
  'PrepareEpochFence',
  'Dead',
]);

export const listTransactions = api(
  66,
  { from: 0, to: 2 },
  (_call, { stateFilters }) => ({
    throttleTimeMs: 0,
    errorCode: errorCode.none,
    unknownStateFilters: stateFilters.filter((state) => !states.has(state)),
    transactionStates: [],
  }),
  (_request, { errorCode: code }) => ({
    throttleTimeMs: 0,
    errorCode: code,
    unknownStateFilters: [],
    transactionStates: [],
  }),
);
