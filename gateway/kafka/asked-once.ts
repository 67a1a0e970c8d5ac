/**
 * An item that a request names more than once is answered once. An answer may be thousands of times larger than the name
 * that requests it (a topic's partitions, a group's members), so a request of a megabyte could otherwise produce an answer
 * larger than memory. No client can tell the difference, because clients store answers by name.
 */
import type { OffsetFetchRequest } from '../../engine/protocol/messages/09-offset-fetch.ts';

type Group = OffsetFetchRequest['groups'][number];
type Topic = NonNullable<Group['topics']>[number];

/** The first occurrence of each. */
export function firstOfEach<T>(asked: readonly T[], keyOf: (each: T) => string): T[] {
  const seen = new Set<string>();
  return asked.filter((each) => {
    const key = keyOf(each);
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

/** Groups with their topics and partitions: several entries for one group are merged into one. */
export function askedOffsets(groups: readonly Group[]): Group[] {
  const byId = new Map<string, { group: Group; topics: Topic[] | null }>();
  for (const group of groups) {
    const known = byId.get(group.groupId);
    if (!known) byId.set(group.groupId, { group, topics: group.topics?.slice() ?? null });
    else if (group.topics === null) known.topics = null;
    else for (const topic of group.topics) known.topics?.push(topic);
  }
  return Array.from(byId.values(), ({ group, topics }) => ({ ...group, topics: topics && askedTopics(topics) }));
}

function askedTopics(topics: readonly Topic[]): Topic[] {
  const byName = new Map<string, { topic: Topic; indexes: Set<number> }>();
  for (const topic of topics) {
    const key = topic.topicId + topic.name;
    let known = byName.get(key);
    if (!known) byName.set(key, (known = { topic, indexes: new Set() }));
    for (const index of topic.partitionIndexes) known.indexes.add(index);
  }
  return Array.from(byName.values(), ({ topic, indexes }) => ({ ...topic, partitionIndexes: [...indexes] }));
}
