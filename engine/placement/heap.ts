/** A binary heap. The member that comes before all others is at the top. */
export class Heap<T> {
  readonly #members: T[] = [];
  readonly #isBefore: (a: T, b: T) => boolean;

  constructor(isBefore: (a: T, b: T) => boolean, members: Iterable<T> = []) {
    this.#isBefore = isBefore;
    for (const member of members) this.push(member);
  }

  get size(): number {
    return this.#members.length;
  }

  top(): T | undefined {
    return this.#members[0];
  }

  push(member: T): void {
    const members = this.#members;
    let at = members.length;
    members.push(member);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#isBefore(member, members[parent]!)) break;
      members[at] = members[parent]!;
      at = parent;
    }
    members[at] = member;
  }

  pop(): T | undefined {
    const top = this.#members[0];
    const last = this.#members.pop();
    if (last !== undefined && this.#members.length > 0) {
      this.#members[0] = last;
      this.topChanged();
    }
    return top;
  }

  /** Moves the top to its place after its rank has fallen. */
  topChanged(): void {
    const members = this.#members;
    const member = members[0];
    if (member === undefined) return;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= members.length) break;
      if (child + 1 < members.length && this.#isBefore(members[child + 1]!, members[child]!)) child++;
      if (!this.#isBefore(members[child]!, member)) break;
      members[at] = members[child]!;
      at = child;
    }
    members[at] = member;
  }
}
