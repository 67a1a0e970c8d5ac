/**
 * What can go wrong in the world, as opposed to a bug (assert.ts). Every failure is a class with typed fields and one
 * stable code. Exactly one file translates the codes for each door: gateway/kafka/failures.ts for Kafka, and
 * gateway/http/failures.ts for HTTP, WebSocket and the control plane. Kafka's own per-partition error codes travel inside
 * the typed responses and are not failures in this sense.
 */
export type FailureCode =
  // The metadata store (engine/ports.ts).
  | 'store-conflict'
  | 'store-throttled'
  | 'store-unavailable'
  | 'store-ambiguous'
  | 'store-limit'
  // Disk and volumes.
  | 'disk-full'
  | 'disk-fault'
  | 'data-corrupt'
  | 'segments-unavailable'
  // Links and routing.
  | 'link-closed'
  | 'not-owner'
  | 'owner-unavailable'
  | 'fenced'
  | 'overloaded'
  | 'shutting-down'
  // The fleet.
  | 'fleet-unkept'
  // Protocol.
  | 'malformed-frame'
  | 'unsupported-version'
  // Tenancy.
  | 'unauthenticated'
  | 'forbidden'
  | 'not-found'
  | 'already-exists'
  | 'not-empty'
  | 'quota-exceeded'
  | 'invalid-request'
  | 'cursor-invalid';

export abstract class Failure extends Error {
  abstract readonly code: FailureCode;
  /** Whether the same request may succeed later without any change by the caller. */
  readonly retryable: boolean = false;
}

/** The request itself is wrong: `field` names the offending part as the caller wrote it. */
export class InvalidRequest extends Failure {
  readonly code = 'invalid-request';
  readonly field: string;
  constructor(field: string, message: string) {
    super(message);
    this.field = field;
  }
}

/** More work than a bounded queue or buffer may hold. No part of the request was applied. */
export class Overloaded extends Failure {
  readonly code = 'overloaded';
  override readonly retryable = true;
}

export class ShuttingDown extends Failure {
  readonly code = 'shutting-down';
  override readonly retryable = true;
}
