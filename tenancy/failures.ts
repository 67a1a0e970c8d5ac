import { Failure, InvalidRequest } from '../engine/kernel/failure.ts';
import type { ClusterLimits } from './tenancy.ts';

/** One answer for all keys that do not work, so that nothing can be guessed from it. `message`: no key was sent at all. */
export class Unauthenticated extends Failure {
  readonly code = 'unauthenticated';
  constructor(message = 'the API key is unknown, revoked or expired') {
    super(message);
  }
}

export class Forbidden extends Failure {
  readonly code = 'forbidden';
}

/** To the caller, something that does not exist and something in another tenant's cluster are the same. */
export class NotFound extends Failure {
  readonly code = 'not-found';
  readonly kind: string;
  readonly id: string;
  constructor(kind: string, id: string) {
    super(`${kind} '${id}' does not exist`);
    this.kind = kind;
    this.id = id;
  }
}

export class AlreadyExists extends Failure {
  readonly code = 'already-exists';
  readonly kind: string;
  readonly id: string;
  constructor(kind: string, id: string) {
    super(`${kind} '${id}' already exists`);
    this.kind = kind;
    this.id = id;
  }
}

/** A topic has the same name but for dots and underscores (naming.ts); the text is Kafka's. */
export class NameCollides extends InvalidRequest {
  constructor(name: string, other: string) {
    super('name', `Topic '${name}' collides with existing topic: ${other}`);
  }
}

/** What it contains must be deleted first. */
export class NotEmpty extends Failure {
  readonly code = 'not-empty';
}

/** A count would exceed its limit, or a rate's delay is too long to wait for (`retryAfterMs` above 0). */
export class QuotaExceeded extends Failure {
  readonly code = 'quota-exceeded';
  readonly quota: keyof ClusterLimits;
  readonly used: number;
  readonly limit: number;
  readonly retryAfterMs: number;
  override readonly retryable: boolean;
  constructor(quota: keyof ClusterLimits, used: number, limit: number, retryAfterMs = 0) {
    super(`the cluster has reached its limit ${quota}: ${used} of ${limit} used`);
    this.quota = quota;
    this.used = used;
    this.limit = limit;
    this.retryAfterMs = retryAfterMs;
    this.retryable = retryAfterMs > 0;
  }
}

/** A deletion still found topics after all its rounds. The cluster stays 'deleting', and the deletion can run again. */
export class TopicsRemain extends Failure {
  readonly code = 'overloaded';
  override readonly retryable = true;
  readonly clusterId: string;
  readonly topics: number;
  constructor(clusterId: string, topics: number) {
    super(`${topics} topics of cluster '${clusterId}' are not deleted yet: delete the cluster again`);
    this.clusterId = clusterId;
    this.topics = topics;
  }
}
