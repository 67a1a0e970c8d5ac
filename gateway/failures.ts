import { Failure } from '../engine/kernel/failure.ts';

/** A partition answered with a Kafka error, usually because it has no owner for longer than we hold requests. */
export class OwnerUnavailable extends Failure {
  readonly code = 'owner-unavailable';
  override readonly retryable = true;
  readonly kafkaError: number;
  readonly partition: number;
  constructor(kafkaError: number, partition: number) {
    super(`partition ${partition} is not available at the moment`);
    this.kafkaError = kafkaError;
    this.partition = partition;
  }
}
