/** Which partitions a frame asks a broker to release. */
import { decodeRequest, decodeRequestHeader } from '../../engine/protocol/headers.ts';
import type { PartitionName } from './history.ts';
import { partitionName } from './partition-name.ts';

const releaseKey = 30000;

export function releasedBy(frame: Buffer): PartitionName[] {
  const { apiKey, apiVersion, bodyAt } = decodeRequestHeader(frame);
  if (apiKey !== releaseKey) return [];
  const { logs } = decodeRequest(releaseKey, apiVersion, frame, bodyAt);
  return logs.map(({ topicId, partition }) => partitionName(topicId, partition));
}
