import type { Catalogue } from '../engine.ts';
import type { Uuid } from '../kernel/uuid.ts';
import { errorCode } from '../protocol/error-codes.ts';
import type { Owned, Ownership } from './ownership.ts';

/** A topic as a request names it, and the one that its gateway means, where it says so (link/named-topics.ts). */
export interface NamedTopic {
  readonly name: string;
  readonly topicId: Uuid | undefined;
}

/**
 * The log of a partition, looked up as the name-based APIs do. Where the name has been given to another topic, and we have
 * not heard of that, waits for our feed. `sentEpoch`: see Ownership.with.
 */
export function ownedByName(
  catalogue: Catalogue,
  ownership: Ownership,
  { name, topicId }: NamedTopic,
  partition: number,
  sentEpoch = -1,
): Promise<Owned> {
  const meant = topicId ?? catalogue.byName(name)?.topicId;
  if (meant === undefined) return Promise.resolve({ errorCode: errorCode.unknownTopicOrPartition });
  return new Promise((resolve) => {
    ownership.with(meant, partition, resolve, sentEpoch);
  });
}
