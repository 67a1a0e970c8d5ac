/**
 * The producer id of a client that writes to many partitions, of many topics: it has one for all of them, and when it begins anew
 * another one for all of them. To the log of a topic that comes later an old id is new.
 */
export class SharedId {
  #latest = -1;

  /** What the client has by now, for a partition that has used `before` up; undefined where it has to ask for another. */
  after(before: number): number | undefined {
    return this.#latest === before ? undefined : this.#latest;
  }

  /** `id` was given to a partition that asked for the one after `before`; which one it is to use: another may have come first. */
  settle(before: number, id: number): number {
    if (this.#latest === before) this.#latest = id;
    return this.#latest;
  }
}
