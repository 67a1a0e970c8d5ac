import type { Catalogue, TopicEntry } from '../engine.ts';
import { errorCode } from '../protocol/error-codes.ts';
import type { Owned, Ownership } from './ownership.ts';

/**
 * The log of a partition, looked up by the topic's inner name as the name-based APIs do. `sentEpoch`: see
 * Ownership.with.
 */
export function ownedByName(
  catalogue: Catalogue,
  ownership: Ownership,
  name: string,
  partition: number,
  sentEpoch = -1,
): Promise<Owned> {
  const topic: TopicEntry | undefined = catalogue.byName(name);
  if (!topic) return Promise.resolve({ errorCode: errorCode.unknownTopicOrPartition });
  return new Promise((resolve) => {
    ownership.with(topic.topicId, partition, resolve, sentEpoch);
  });
}
