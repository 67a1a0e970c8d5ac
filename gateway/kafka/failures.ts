/** Maps failures to Kafka error codes: the one mapping of this door. */
import { Failure, InvalidRequest } from '../../engine/kernel/failure.ts';
import { unreachable } from '../../engine/kernel/assert.ts';
import { errorCode } from '../../engine/protocol/error-codes.ts';
import { AlreadyExists, NotFound, QuotaExceeded } from '../../tenancy/failures.ts';
import { stripNames } from '../../tenancy/naming.ts';
import type { Principal, Verdict } from '../../tenancy/tenancy.ts';
import { CoordinatorUnavailable, OwnerUnavailable } from '../failures.ts';

/** Why a request is not fulfilled, in the terms of an answer. */
export interface Refusal extends Verdict {
  readonly errorCode: number;
  readonly message: string;
}

/**
 * Rethrows anything that is not a Failure: a bug of ours must not be answered as an outside error. The engine names topics
 * by their inner names, which a tenant never sees.
 */
export function refusalOf(error: unknown, { clusterId }: Pick<Principal, 'clusterId'>): Refusal {
  if (!(error instanceof Failure)) throw error;
  const told = { errorCode: codeOf(error), message: stripNames(clusterId, error.message) };
  // For throttle_time_ms: the client may retry after it.
  if (error instanceof QuotaExceeded) return { ...told, delayMs: error.retryAfterMs, quota: error.quota };
  return { ...told, delayMs: 0, quota: undefined };
}

function codeOf(failure: Failure): number {
  if (failure instanceof OwnerUnavailable || failure instanceof CoordinatorUnavailable) return failure.kafkaError;
  switch (failure.code) {
    case 'invalid-request':
      return failure instanceof InvalidRequest ? fieldCode(failure.field) : errorCode.invalidRequest;
    case 'already-exists':
      return failure instanceof AlreadyExists && failure.kind !== 'topic'
        ? errorCode.invalidRequest
        : errorCode.topicAlreadyExists;
    case 'not-found':
      return failure instanceof NotFound && failure.kind === 'group'
        ? errorCode.groupIdNotFound
        : errorCode.unknownTopicOrPartition;
    case 'quota-exceeded':
      // Waiting never lowers a count, but it does lower a rate: clients then retry after throttle_time_ms (KIP-599).
      return failure.retryable ? errorCode.throttlingQuotaExceeded : errorCode.policyViolation;
    case 'forbidden':
      return errorCode.clusterAuthorizationFailed;
    case 'unauthenticated':
      return errorCode.saslAuthenticationFailed;
    case 'not-owner':
    case 'fenced':
    case 'owner-unavailable':
    case 'link-closed':
      return errorCode.notLeaderOrFollower;
    case 'overloaded':
    case 'shutting-down':
    case 'fleet-unkept':
    case 'store-conflict':
    case 'store-throttled':
    case 'store-unavailable':
    case 'store-ambiguous':
      return errorCode.requestTimedOut;
    case 'store-limit':
      return errorCode.invalidRequest;
    case 'disk-full':
    case 'disk-fault':
    case 'data-corrupt':
    case 'segments-unavailable':
      return errorCode.kafkaStorageError;
    case 'malformed-frame':
    case 'not-empty':
    case 'cursor-invalid':
      return errorCode.invalidRequest;
    case 'unsupported-version':
      return errorCode.unsupportedVersion;
    default:
      return unreachable(failure.code);
  }
}

function fieldCode(field: string): number {
  if (field === 'name') return errorCode.invalidTopicException;
  if (field === 'partitions') return errorCode.invalidPartitions;
  if (field === 'assignments') return errorCode.invalidReplicaAssignment;
  if (field === 'replicationFactor') return errorCode.invalidReplicationFactor;
  return field.startsWith('configs.') ? errorCode.invalidConfig : errorCode.invalidRequest;
}

/** Partition errors as a coordinator's answer reports them: the client looks up the coordinator again and finds it here. */
export function coordinatorCode(code: number): number {
  return code === errorCode.notLeaderOrFollower || code === errorCode.requestTimedOut
    ? errorCode.coordinatorNotAvailable
    : code;
}
