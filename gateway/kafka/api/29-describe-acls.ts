/**
 * DescribeAcls (key 29): v1-v3. SECURITY_DISABLED (54), as from a Kafka without an authorizer: tools show that there are no
 * rules and continue. A cluster belongs to its tenant alone, and each of its keys may do everything there.
 */
import { errorCode } from '../../../engine/protocol/error-codes.ts';
import type { DescribeAclsResponse } from '../../../engine/protocol/messages/29-describe-acls.ts';
import { api } from '../api.ts';

export const noAcls = 'There are no ACLs: each API key of a cluster may do everything in it.';

export const describeAcls = api(
  29,
  { from: 1, to: 3 },
  () => answer(errorCode.securityDisabled, noAcls),
  (_request, { errorCode: code, message }) => answer(code, message),
);

function answer(code: number, errorMessage: string): DescribeAclsResponse {
  return { throttleTimeMs: 0, errorCode: code, errorMessage, resources: [] };
}
