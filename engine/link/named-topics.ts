/**
 * Which topics a request means that names its topics. A name may have been given to another topic a moment ago, and the
 * broker may not have heard of it: it would answer for the former one, whose partitions it may own too. So the header's
 * client id carries the ids, in the order of the request's topics.
 */
import { parseUuid, type Uuid, uuidText } from '../kernel/uuid.ts';

/** The header's limit. What does not fit goes by its name alone: that many topics are asked about only to list them. */
const clientIdBytesMax = 0x7fff;
const idsMax = Math.floor(clientIdBytesMax / (uuidText('\0'.repeat(16)).length + 1));

/** Undefined for a topic that has no id there. */
export function joinTopicIds(topicIds: readonly (Uuid | undefined)[]): string {
  return topicIds
    .slice(0, idsMax)
    .map((topicId) => (topicId === undefined ? '' : uuidText(topicId)))
    .join();
}

export function splitTopicIds(joined: string): readonly (Uuid | undefined)[] {
  return joined.split(',').map(parseUuid);
}
