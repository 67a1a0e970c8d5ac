/** CreateAcls (key 30): v1-v3. Each is refused with SECURITY_DISABLED (54), as by a Kafka without an authorizer. */
import { errorCode } from '../../../engine/protocol/error-codes.ts';
import type { CreateAclsRequest, CreateAclsResponse } from '../../../engine/protocol/messages/30-create-acls.ts';
import { api } from '../api.ts';
import { noAcls } from './29-describe-acls.ts';

export const createAcls = api(
  30,
  { from: 1, to: 3 },
  (_call, request) => answer(request, errorCode.securityDisabled, noAcls),
  (request, { errorCode: code, message }) => answer(request, code, message),
);

function answer({ creations }: CreateAclsRequest, code: number, errorMessage: string): CreateAclsResponse {
  return { throttleTimeMs: 0, results: creations.map(() => ({ errorCode: code, errorMessage })) };
}
