/** The topics of a world as its clients know them. */
import type { Uuid } from '../../engine/kernel/uuid.ts';

export interface SimTopic {
  readonly name: string;
  readonly clusterId: string;
  readonly topicId: Uuid;
  readonly partitions: number;
  /** Old records go: a log may begin later than at 0. */
  readonly isBounded: boolean;
  /** They go because clients delete them, and for no other reason. */
  readonly isCutOnly: boolean;
  /** What is compressed is kept uncompressed. */
  readonly isRecoded: boolean;
  isDeleted: boolean;
}
