/**
 * Small numbers ordered by their keys, sorted only as far as somebody has asked: of the thousands of partitions that a
 * broker holds, a plan moves few. An in-place heapsort that may stop at any time.
 */
export class LazyOrder {
  /**
   * A heap up to #heaped, with the first member at its top. After it come the members already asked for, the first one
   * at the very end.
   */
  readonly #members: Int32Array;
  readonly #keys: Float64Array;
  readonly #isFirstOfEquals: (a: number, b: number) => boolean;
  #heaped: number;

  /**
   * Takes over `members`. The member with the highest of `keys` comes first; among equal keys, the one the function
   * picks.
   */
  constructor(members: Int32Array, keys: Float64Array, isFirstOfEquals: (a: number, b: number) => boolean) {
    this.#members = members;
    this.#keys = keys;
    this.#isFirstOfEquals = isFirstOfEquals;
    this.#heaped = members.length;
    for (let at = (members.length >> 1) - 1; at >= 0; at--) this.#sink(at);
  }

  get length(): number {
    return this.#members.length;
  }

  /** The member at a place below `length`. */
  at(place: number): number {
    const members = this.#members;
    const home = members.length - 1 - place;
    while (this.#heaped > home) {
      const last = --this.#heaped;
      const first = members[0]!;
      members[0] = members[last]!;
      members[last] = first;
      this.#sink(0);
    }
    return members[home]!;
  }

  #sink(from: number): void {
    const members = this.#members;
    const member = members[from]!;
    let at = from;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= this.#heaped) break;
      if (child + 1 < this.#heaped && this.#isBefore(members[child + 1]!, members[child]!)) child++;
      if (!this.#isBefore(members[child]!, member)) break;
      members[at] = members[child]!;
      at = child;
    }
    members[at] = member;
  }

  #isBefore(a: number, b: number): boolean {
    const [keyA, keyB] = [this.#keys[a]!, this.#keys[b]!];
    return keyA === keyB ? this.#isFirstOfEquals(a, b) : keyA > keyB;
  }
}
