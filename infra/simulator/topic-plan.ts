/** The topics of a world as its clients know them. */
import type { Uuid } from '../../engine/kernel/uuid.ts';

export interface SimTopic {
  readonly name: string;
  readonly clusterId: string;
  readonly topicId: Uuid;
  readonly partitions: number;
  /** Old records are deleted: a log may begin later than at 0. */
  readonly isBounded: boolean;
  /** Clients delete them, and nothing else does. */
  readonly isCutOnly: boolean;
  /** What retention by time leaves; absent where it does not apply. */
  readonly keptMs: number | undefined;
  /** Compressed batches are stored uncompressed. */
  readonly isRecoded: boolean;
  isDeleted: boolean;
}
