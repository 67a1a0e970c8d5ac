/**
 * Memory for committed offsets, of all groups of a coordinator: a tenant chooses how many groups there are, and what they keep
 * of each partition. Kafka has no limit, nor a code of its own: a commit that its log refuses for its size is
 * INVALID_COMMIT_OFFSET_SIZE, and so is one here that would add more than there is room for. A commit in place of an earlier
 * one that is no smaller is always taken, so that consumers which run go on.
 */
import type { Group } from './group.ts';
import type { CommittedOffset } from './group-records.ts';

/** Of a number in two Maps and the object behind it. */
const entryBytes = 128;

/** Roughly what it holds. A topic's name is counted with each of its partitions, for groups may have one partition of each. */
export function heldOffsetBytes(topic: string, { metadata }: CommittedOffset): number {
  return entryBytes + topic.length + Buffer.byteLength(metadata);
}

export class OffsetRoom {
  readonly #groups: ReadonlyMap<string, Group>;
  readonly #bytesMax: number;
  /** Raised by what is let in, and counted anew when it passes the limit. */
  #bytesAtMost = Infinity;

  constructor(groups: ReadonlyMap<string, Group>, bytesMax: number) {
    this.#groups = groups;
    this.#bytesMax = bytesMax;
  }

  /**
   * For one commit: tells of one offset after the other whether it may be kept. The groups are counted once at most, however
   * many there is no room for. What is on its way to the log has a limit of its own (writeQueueBytesMax).
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
