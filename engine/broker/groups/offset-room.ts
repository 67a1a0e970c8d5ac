/**
 * Memory for the committed offsets of all groups of a coordinator. It needs a limit, because a tenant chooses how many
 * groups there are and what they keep for each partition. Kafka has no limit, and no code for one. Kafka answers a
 * commit that its log refuses for its size with INVALID_COMMIT_OFFSET_SIZE; we answer the same to a commit that would
 * add more than there is room for. A commit that replaces an earlier one at least as large is always accepted, so
 * running consumers continue.
 */
import type { Group } from './group.ts';
import type { CommittedOffset } from './group-records.ts';

/** A number in two Maps, and the object behind it. */
const entryBytes = 128;

/**
 * Approximate size. A topic's name counts with each of its partitions, because groups may have one partition of each
 * topic.
 */
export function heldOffsetBytes(topic: string, { metadata }: CommittedOffset): number {
  return entryBytes + topic.length + Buffer.byteLength(metadata);
}

export class OffsetRoom {
  readonly #groups: ReadonlyMap<string, Group>;
  readonly #bytesMax: number;
  /** An upper bound: raised by each accepted commit, and recounted when it passes the limit. */
  #bytesAtMost = Infinity;

  constructor(groups: ReadonlyMap<string, Group>, bytesMax: number) {
    this.#groups = groups;
    this.#bytesMax = bytesMax;
  }

  /**
   * For one commit: decides for one offset after another whether it may be kept. Counts the groups at most once,
   * however many offsets have no room. Commits on their way to the log have their own limit (writeQueueBytesMax).
   */
  forCommit(group: Group | undefined): (topic: string, partition: number, offset: CommittedOffset) => boolean {
    let isCounted = false;
    return (topic, partition, offset) => {
      const present = group?.offsets.get(topic)?.get(partition);
      const addedBytes = heldOffsetBytes(topic, offset) - (present ? heldOffsetBytes(topic, present) : 0);
      if (addedBytes <= 0) return true;
      if (!isCounted && this.#bytesAtMost + addedBytes > this.#bytesMax) {
        this.#bytesAtMost = this.#held();
        isCounted = true;
      }
      if (this.#bytesAtMost + addedBytes > this.#bytesMax) return false;
      this.#bytesAtMost += addedBytes;
      return true;
    };
  }

  #held(): number {
    let bytes = 0;
    for (const group of this.#groups.values()) bytes += group.offsetBytes;
    return bytes;
  }
}
