/** Which partitions a frame asks a broker to release, and at which epochs. */
import { decodeRequest, decodeRequestHeader } from '../../engine/protocol/headers.ts';
import type { PartitionName } from './history.ts';
import { partitionName } from './partition-name.ts';

const releaseKey = 30000;

export interface AskedRelease {
  readonly partition: PartitionName;
  readonly leaderEpoch: number;
}

export function releasedBy(frame: Buffer): AskedRelease[] {
  if (frame.readInt16BE(0) !== releaseKey) return [];
  const { apiVersion, bodyAt } = decodeRequestHeader(frame);
  const { logs } = decodeRequest(releaseKey, apiVersion, frame, bodyAt);
  return logs.map(({ topicId, partition, leaderEpoch }) => ({
    partition: partitionName(topicId, partition),
    leaderEpoch,
  }));
}
