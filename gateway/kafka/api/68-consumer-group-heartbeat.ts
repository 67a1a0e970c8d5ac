/**
 * ConsumerGroupHeartbeat (key 68): v0-v1. UNSUPPORTED_VERSION (35), as from a Kafka whose groups use only the classic
 * protocol (group.coordinator.rebalance.protocols=classic). On this code Java and librdkafka stop at once and say what to
 * do, and franz-go falls back. This is the only reason to offer the API: librdkafka looks for a coordinator for ever where
 * it is missing.
 */
import { errorCode } from '../../../engine/protocol/error-codes.ts';
import type { ConsumerGroupHeartbeatResponse } from '../../../engine/protocol/messages/68-consumer-group-heartbeat.ts';
import { api } from '../api.ts';

const onlyClassic = 'The consumer group protocol of KIP-848 is not supported: set group.protocol=classic.';

export const consumerGroupHeartbeat = api(
  68,
  { from: 0, to: 1 },
  () => answer(errorCode.unsupportedVersion, onlyClassic),
  (_request, { errorCode: code, message }) => answer(code, message),
);

function answer(code: number, errorMessage: string): ConsumerGroupHeartbeatResponse {
  return {
    throttleTimeMs: 0,
    errorCode: code,
    errorMessage,
    memberId: null,
    memberEpoch: 0,
    heartbeatIntervalMs: 0,
    assignment: null,
  };
}
