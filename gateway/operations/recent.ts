/** A ring of the last few, searched from just after the entry that was found last: callers in step ask in the same order. */
export class Recent<T> {
  readonly #items: T[] = [];
  readonly #sizeMax: number;
  #at = 0;
  #oldest = 0;

  constructor(sizeMax: number) {
    this.#sizeMax = sizeMax;
  }

  get size(): number {
    return this.#items.length;
  }

  next(): T {
    this.#at = this.#at + 1 < this.#items.length ? this.#at + 1 : 0;
    return this.#items[this.#at]!;
  }

  add(item: T): void {
    this.#at = this.#items.length < this.#sizeMax ? this.#items.length : this.#oldest++ % this.#sizeMax;
    this.#items[this.#at] = item;
  }

  remove(isMeant: (item: T) => boolean): void {
    const at = this.#items.findIndex(isMeant);
    if (at >= 0) this.#items.splice(at, 1);
  }
}
