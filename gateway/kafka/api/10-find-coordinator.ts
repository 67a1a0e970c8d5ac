/**
 * FindCoordinator (key 10): v0-v6. Every gateway serves every group, so the answer is a virtual broker that stays the same
 * for the group's life; before v3, when clients may know only one broker (advertised.ts), it is that one.
 *
 * Refused: transactional ids (keyType 1), with a code that ends the client's attempt at once. Before v4 that is
 * TRANSACTIONAL_ID_AUTHORIZATION_FAILED (53), because librdkafka retries for ever on other codes; it shows our text. Java
 * uses v4 and later. It shows its own text for that code and ours for POLICY_VIOLATION (44), which is fatal there too.
 * Share groups (keyType 2) are an INVALID_REQUEST.
 */
import { errorCode } from '../../../engine/protocol/error-codes.ts';
import type { FindCoordinatorResponse } from '../../../engine/protocol/messages/10-find-coordinator.ts';
import { api, type Call } from '../api.ts';

type Coordinator = FindCoordinatorResponse['coordinators'][number];

const groupKey = 0;
const transactionKey = 1;
const firstKeysVersion = 4;
const firstManyBrokersVersion = 3;

export const findCoordinator = api(
  10,
  { from: 0, to: 6, charge: 'counted' },
  (call, request) => {
    if (call.version >= firstKeysVersion) {
      return { ...nobody, coordinators: request.coordinatorKeys.map((key) => find(call, request.keyType, key)) };
    }
    const { nodeId, host, port, errorCode: code, errorMessage } = find(call, request.keyType, request.key);
    return { ...nobody, coordinators: [], nodeId, host, port, errorCode: code, errorMessage };
  },
  (request, { errorCode: code, message }) => ({
    ...nobody,
    errorCode: code,
    errorMessage: message,
    coordinators: request.coordinatorKeys.map((key) => refused(key, code, message)),
  }),
);

const nobody = {
  throttleTimeMs: 0,
  errorCode: errorCode.none as number,
  errorMessage: null,
  // Defaults of the fields that versions with many keys lack.
  nodeId: 0,
  host: '',
  port: 0,
};

function find({ door: { advertised }, version }: Call, keyType: number, key: string): Coordinator {
  if (keyType === transactionKey) {
    const code = version < firstKeysVersion ? errorCode.transactionalIdAuthorizationFailed : errorCode.policyViolation;
    return refused(key, code, 'Transactions are not supported: use an idempotent producer without a transactional.id');
  }
  if (keyType !== groupKey)
    return refused(
      key,
      errorCode.invalidRequest,
      `Coordinators of type ${keyType} are not supported: use type 0 (group)`,
    );
  const only = version < firstManyBrokersVersion ? advertised.only : undefined;
  const { nodeId, host, port } = only ?? advertised.coordinator(key);
  return { key, nodeId, host, port, errorCode: errorCode.none, errorMessage: null };
}

function refused(key: string, code: number, errorMessage: string): Coordinator {
  return { key, nodeId: -1, host: '', port: -1, errorCode: code, errorMessage };
}
