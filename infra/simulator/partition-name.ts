import { type Uuid, uuidText } from '../../engine/kernel/uuid.ts';
import type { PartitionName } from './history.ts';

/** Of one incarnation of a topic: the id tells a topic from a later one of its name. */
export function partitionName(topicId: Uuid, partition: number): PartitionName {
  return `${uuidText(topicId).slice(0, 8)}/${partition}`;
}
