/**
 * The producer id of a client that writes to many partitions of many topics: it has one id for all of them, and another
 * one for all of them when it starts over. To the log of a later topic an old id is new.
 */
export class SharedId {
  #latest = -1;

  /**
   * The client's current id, for a partition that has used up `before`; undefined if the partition has to ask for
   * another.
   */
  after(before: number): number | undefined {
    return this.#latest === before ? undefined : this.#latest;
  }

  /**
   * `id` was given to a partition that asked for the one after `before`. Returns the id to use: another may have come
   * first.
   */
  settle(before: number, id: number): number {
    if (this.#latest === before) this.#latest = id;
    return this.#latest;
  }
}
