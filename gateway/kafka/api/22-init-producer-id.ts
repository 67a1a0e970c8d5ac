/**
 * InitProducerId (key 22): v0-v5, for idempotent producers: a new unique id, epoch 0. Ids are unique in the whole
 * installation, because they are inside batches that are never rewritten.
 *
 * Refused: an id without an epoch or an epoch without an id (42); transactional ids, with
 * TRANSACTIONAL_ID_AUTHORIZATION_FAILED (53), which every client reports as fatal.
 */
import { errorCode } from '../../../engine/protocol/error-codes.ts';
import type { InitProducerIdResponse } from '../../../engine/protocol/messages/22-init-producer-id.ts';
import { api } from '../api.ts';
import { coordinatorCode } from '../failures.ts';

const none = -1;

export const initProducerId = api(
  22,
  { from: 0, to: 5 },
  async ({ context }, request) => {
    const isHalf = (request.producerId === none) !== (request.producerEpoch === none);
    if (request.transactionalId === '' || isHalf) return refusal(errorCode.invalidRequest);
    if (request.transactionalId !== null) return refusal(errorCode.transactionalIdAuthorizationFailed);
    const producerId = await context.engine.allocateProducerId();
    return { ...refusal(errorCode.none), producerId, producerEpoch: 0 };
  },
  (_request, { errorCode: code }) => refusal(coordinatorCode(code)),
);

function refusal(code: number): InitProducerIdResponse {
  return {
    throttleTimeMs: 0,
    errorCode: code,
    producerId: -1,
    producerEpoch: -1,
    ongoingTxnProducerId: -1,
    ongoingTxnProducerEpoch: -1,
  };
}
