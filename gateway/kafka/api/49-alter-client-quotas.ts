/** AlterClientQuotas (key 49): v0-v1. Refused (44): the operator sets rates, and only for a cluster as a whole. */
import { errorCode } from '../../../engine/protocol/error-codes.ts';
import type {
  AlterClientQuotasRequest,
  AlterClientQuotasResponse,
} from '../../../engine/protocol/messages/49-alter-client-quotas.ts';
import { api } from '../api.ts';

export const alterClientQuotas = api(
  49,
  { from: 0, to: 1 },
  (_call, request) =>
    answer(
      request,
      errorCode.policyViolation,
      'Client quotas cannot be set here: the limits of a cluster are set in the control plane, for all its clients.',
    ),
  (request, { errorCode: code, message }) => answer(request, code, message),
);

function answer({ entries }: AlterClientQuotasRequest, code: number, errorMessage: string): AlterClientQuotasResponse {
  return { throttleTimeMs: 0, entries: entries.map(({ entity }) => ({ errorCode: code, errorMessage, entity })) };
}
