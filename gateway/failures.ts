import type { TopicEntry } from '../engine/engine.ts';
import { Failure, Overloaded } from '../engine/kernel/failure.ts';
import { errorCode } from '../engine/protocol/error-codes.ts';

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

/** A group's coordinator, or that of some of a cluster's groups, answered with a Kafka error for longer than we hold requests. */
export class CoordinatorUnavailable extends Failure {
  readonly code = 'owner-unavailable';
  override readonly retryable = true;
  readonly kafkaError: number;
  constructor(kafkaError: number, groupId?: string) {
    const whose = groupId === undefined ? 'coordinators of some groups are' : `coordinator of group '${groupId}' is`;
    super(`the ${whose} not available at the moment`);
    this.kafkaError = kafkaError;
  }
}

/** Stored records cannot be read at the moment: their segment is damaged, gone or out of reach. */
export class RecordsUnavailable extends Failure {
  readonly code = 'segments-unavailable';
  override readonly retryable = true;
  readonly partition: number;
  constructor(partition: number) {
    super(`the records of partition ${partition} at this position cannot be read at the moment`);
    this.partition = partition;
  }
}

/** What every door reports for a partition that a topic does not have. */
export function noPartitionText(partition: number, { partitions }: Pick<TopicEntry, 'partitions'>): string {
  return `partition ${partition} does not exist: the topic has partitions 0 to ${partitions.length - 1}`;
}

/** For a read or a look-up. Storage errors and timeouts say nothing about a write's outcome here. */
export function readFailure(kafkaError: number, partition: number): Failure {
  if (kafkaError === errorCode.kafkaStorageError) return new RecordsUnavailable(partition);
  if (kafkaError === errorCode.requestTimedOut) return new Overloaded(`partition ${partition} takes too long to read`);
  return new OwnerUnavailable(kafkaError, partition);
}
