/**
 * DescribeLogDirs (key 35) at the owner: the size of its logs' records in bytes, in memory and in segments. Omits other
 * logs.
 */
import type { Catalogue } from '../../engine.ts';
import type { Uuid } from '../../kernel/uuid.ts';
import { make } from '../../protocol/make.ts';
import {
  type DescribeLogDirsRequest,
  type DescribeLogDirsResponse,
  describeLogDirsResponse,
} from '../../protocol/messages/35-describe-log-dirs.ts';
import { ownedByName } from '../inner-topic.ts';
import type { Ownership } from '../ownership.ts';

export async function describeLogDirs(
  catalogue: Catalogue,
  ownership: Ownership,
  request: DescribeLogDirsRequest,
  topicIds?: readonly (Uuid | undefined)[],
): Promise<DescribeLogDirsResponse> {
  const topics = (request.topics ?? []).map(async ({ topic, partitions }, t) => {
    const sizes = partitions.map(async (partitionIndex) => {
      const owned = await ownedByName(catalogue, ownership, { name: topic, topicId: topicIds?.[t] }, partitionIndex);
      return 'errorCode' in owned ? [] : [{ partitionIndex, partitionSize: owned.log.sizeBytes }];
    });
    return { name: topic, partitions: (await Promise.all(sizes)).flat() };
  });
  return make(describeLogDirsResponse, { results: [{ topics: await Promise.all(topics) }] });
}
