/** DeleteAcls (key 31): v1-v3. Each filter is refused with SECURITY_DISABLED (54), as by a Kafka without an authorizer. */
import { errorCode } from '../../../engine/protocol/error-codes.ts';
import type { DeleteAclsRequest, DeleteAclsResponse } from '../../../engine/protocol/messages/31-delete-acls.ts';
import { api } from '../api.ts';
import { noAcls } from './29-describe-acls.ts';

export const deleteAcls = api(
  31,
  { from: 1, to: 3 },
  (_call, request) => answer(request, errorCode.securityDisabled, noAcls),
  (request, { errorCode: code, message }) => answer(request, code, message),
);

function answer({ filters }: DeleteAclsRequest, code: number, errorMessage: string): DeleteAclsResponse {
  return {
    throttleTimeMs: 0,
    filterResults: filters.map(() => ({ errorCode: code, errorMessage, matchingAcls: [] })),
  };
}
