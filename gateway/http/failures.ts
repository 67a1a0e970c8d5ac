/**
 * The one mapping from failures and Kafka error codes to problems (problem-kinds.ts), for the HTTP and WebSocket doors
 * alike.
 */
import { Failure, type FailureCode, InvalidRequest } from '../../engine/kernel/failure.ts';
import { errorCode, errorName, unsureCode, volumeFullCode } from '../../engine/protocol/error-codes.ts';
import { DecompressedTooLarge } from '../../engine/records/compression.ts';
import { NotFound, QuotaExceeded } from '../../tenancy/failures.ts';
import { CoordinatorUnavailable, OwnerUnavailable, RecordsUnavailable } from '../failures.ts';
import { UnreadableRecords } from '../operations/records-to-json.ts';
import { GroupNotEmpty } from '../operations/groups.ts';
import { OffsetBeyondEnd, OffsetExpired } from '../operations/read-page.ts';
import { TopicRecreated } from '../operations/reader-start.ts';
import { MalformedBatches } from '../operations/split-batches.ts';
import { type ProblemCode, problemKinds, type SideEffects } from './problem-kinds.ts';

type Extra = Readonly<Record<string, unknown>>;

/** A failure in the doors' own terms, for cases without a failure class below them. */
export class ProblemFailure extends Failure {
  readonly code = 'invalid-request';
  readonly problem: ProblemCode;
  /** More members of the problem. */
  readonly extra: Extra;
  constructor(problem: ProblemCode, detail: string, extra: Extra = {}) {
    super(detail);
    this.problem = problem;
    this.extra = extra;
  }
}

/** Members as sent. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ProblemCode;
  readonly retryable: boolean;
  readonly side_effects: SideEffects;
  readonly kafka_error?: string;
  readonly retry_after_ms?: number;
  readonly [extra: string]: unknown;
}

export function problem(code: ProblemCode, detail: string, extra: Extra = {}): Problem {
  const { title, status, retryable, sideEffects } = problemKinds[code];
  return { type: `/problems/${code}`, title, status, detail, code, retryable, side_effects: sideEffects, ...extra };
}

const retryAfterMs = 1_000;
const internalText = 'internal error: the log of the server has more under the request id';

const ofFailure: Readonly<Record<FailureCode, ProblemCode>> = {
  'store-conflict': 'overloaded',
  'store-throttled': 'overloaded',
  'store-unavailable': 'store-unavailable',
  'store-ambiguous': 'outcome-unknown',
  'store-limit': 'invalid-request',
  'disk-full': 'storage-full',
  'disk-fault': 'owner-unavailable',
  'data-corrupt': 'internal',
  'segments-unavailable': 'records-unavailable',
  'link-closed': 'outcome-unknown',
  'not-owner': 'owner-unavailable',
  'owner-unavailable': 'owner-unavailable',
  fenced: 'owner-unavailable',
  overloaded: 'overloaded',
  'shutting-down': 'shutting-down',
  'fleet-unkept': 'no-controller',
  'malformed-frame': 'internal',
  'unsupported-version': 'internal',
  unauthenticated: 'unauthenticated',
  forbidden: 'forbidden',
  'not-found': 'not-found',
  'already-exists': 'already-exists',
  'not-empty': 'not-empty',
  'quota-exceeded': 'quota-exceeded',
  'invalid-request': 'invalid-request',
  'cursor-invalid': 'cursor-invalid',
};

/** Anything that is not a Failure is a bug: the caller learns only that it happened. */
export function problemOf(error: unknown): Problem {
  if (error instanceof ProblemFailure) return problem(error.problem, error.message, error.extra);
  if (error instanceof DecompressedTooLarge) return problem('body-too-large', error.message);
  if (error instanceof OffsetExpired)
    return rangeProblem('offset-expired', error.message, { earliest: error.earliest });
  if (error instanceof OffsetBeyondEnd)
    return rangeProblem('offset-beyond-end', error.message, { latest: error.latest });
  if (error instanceof MalformedBatches) return problem('invalid-record', error.message);
  if (error instanceof UnreadableRecords) {
    const { partition, offset, nextOffset } = error;
    return problem('records-unreadable', error.message, { partition, offset, next_offset: nextOffset });
  }
  if (error instanceof GroupNotEmpty) return problem('group-not-empty', error.message);
  if (error instanceof TopicRecreated) return problem('epoch-mismatch', error.message);
  if (error instanceof RecordsUnavailable) {
    const { partition } = error;
    const kafka_error = errorName(errorCode.kafkaStorageError);
    return problem('records-unavailable', error.message, { kafka_error, partition, retry_after_ms: retryAfterMs });
  }
  if (error instanceof OwnerUnavailable || error instanceof CoordinatorUnavailable) {
    return kafkaProblem(error.kafkaError, error.message);
  }
  if (error instanceof InvalidRequest) return problem('invalid-request', error.message, { field: error.field });
  if (error instanceof NotFound) return problem('not-found', error.message, { kind: error.kind });
  if (error instanceof QuotaExceeded) return quotaProblem(error);
  if (!(error instanceof Failure)) return problem('internal', internalText);
  const code = ofFailure[error.code];
  if (code === 'internal') return problem(code, internalText);
  return problem(code, error.message, problemKinds[code].retryable ? { retry_after_ms: retryAfterMs } : {});
}

function rangeProblem(code: ProblemCode, detail: string, extra: Extra): Problem {
  return problem(code, detail, { kafka_error: errorName(errorCode.offsetOutOfRange), ...extra });
}

function quotaProblem({ message, quota, used, limit, retryable, retryAfterMs: waitMs }: QuotaExceeded): Problem {
  const detail = retryable ? `the cluster has reached its limit ${quota}: try again in ${waitMs} ms` : message;
  const wait = retryable ? { retry_after_ms: waitMs } : {};
  const counts = { quota, limit: Number.isFinite(limit) ? limit : null, ...(retryable ? {} : { used }) };
  return problem('quota-exceeded', detail, { retryable, ...wait, ...counts });
}

const ofKafka: ReadonlyMap<number, ProblemCode> = new Map<number, ProblemCode>([
  [errorCode.offsetOutOfRange, 'offset-beyond-end'],
  [errorCode.corruptMessage, 'invalid-record'],
  [errorCode.unknownTopicOrPartition, 'not-found'],
  [errorCode.leaderNotAvailable, 'owner-unavailable'],
  [errorCode.notLeaderOrFollower, 'owner-unavailable'],
  [errorCode.requestTimedOut, 'outcome-unknown'],
  [errorCode.brokerNotAvailable, 'owner-unavailable'],
  [errorCode.replicaNotAvailable, 'owner-unavailable'],
  [errorCode.messageTooLarge, 'record-too-large'],
  [errorCode.networkException, 'outcome-unknown'],
  [errorCode.coordinatorLoadInProgress, 'owner-unavailable'],
  [errorCode.coordinatorNotAvailable, 'owner-unavailable'],
  [errorCode.notCoordinator, 'owner-unavailable'],
  [errorCode.invalidTopicException, 'invalid-request'],
  [errorCode.recordListTooLarge, 'record-too-large'],
  [errorCode.notEnoughReplicas, 'owner-unavailable'],
  [errorCode.notEnoughReplicasAfterAppend, 'outcome-unknown'],
  [errorCode.topicAuthorizationFailed, 'forbidden'],
  [errorCode.groupAuthorizationFailed, 'forbidden'],
  [errorCode.clusterAuthorizationFailed, 'forbidden'],
  [errorCode.invalidTimestamp, 'invalid-record'],
  [errorCode.topicAlreadyExists, 'already-exists'],
  [errorCode.invalidPartitions, 'invalid-request'],
  [errorCode.invalidConfig, 'invalid-request'],
  [errorCode.invalidRequest, 'invalid-request'],
  [errorCode.policyViolation, 'invalid-request'],
  // This batch followed one that failed. The broker refused it for its sequence number, so it was not stored.
  [errorCode.outOfOrderSequenceNumber, 'owner-unavailable'],
  [errorCode.invalidProducerEpoch, 'owner-unavailable'],
  // Logs answer this only to a sender that numbers its records and whose first request is still on its way.
  [errorCode.unknownProducerId, 'sequence-early'],
  [errorCode.duplicateSequenceNumber, 'outcome-unknown'],
  [errorCode.kafkaStorageError, 'outcome-unknown'],
  [volumeFullCode, 'storage-full'],
  [unsureCode, 'outcome-unknown'],
  [errorCode.nonEmptyGroup, 'group-not-empty'],
  [errorCode.groupIdNotFound, 'not-found'],
  [errorCode.fencedLeaderEpoch, 'owner-unavailable'],
  [errorCode.unsupportedCompressionType, 'invalid-record'],
  [errorCode.invalidRecord, 'invalid-record'],
  [errorCode.throttlingQuotaExceeded, 'overloaded'],
  [errorCode.unknownTopicId, 'not-found'],
]);

/** `message` is the text of the broker or operation; it must hold no inner names. */
export function kafkaProblem(code: number, message: string | null): Problem {
  const problemCode = ofKafka.get(code) ?? 'internal';
  const { retryable, title } = problemKinds[problemCode];
  const wait = retryable ? { retry_after_ms: retryAfterMs } : {};
  return problem(problemCode, message ?? title, { kafka_error: errorName(code), ...wait });
}
