/**
 * DescribeClientQuotas (key 48): v0-v1. Always empty: a cluster's rates apply to all of its clients together, and none is
 * set for a user, a client id or an address.
 */
import { errorCode } from '../../../engine/protocol/error-codes.ts';
import { api } from '../api.ts';

export const describeClientQuotas = api(
  48,
  { from: 0, to: 1 },
  () => ({ throttleTimeMs: 0, errorCode: errorCode.none, errorMessage: null, entries: [] }),
  (_request, { errorCode: code, message }) => ({
    throttleTimeMs: 0,
    errorCode: code,
    errorMessage: message,
    entries: null,
  }),
);
