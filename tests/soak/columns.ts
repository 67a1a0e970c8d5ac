/** Arrays of plain numbers that grow by doubling: no object per element, whatever the length of a run. */
const lengthAtFirst = 1024;

class Column<A extends Float64Array | Uint8Array> {
  readonly #make: (length: number) => A;
  #cells: A;
  #length = 0;

  constructor(make: (length: number) => A) {
    this.#make = make;
    this.#cells = make(lengthAtFirst);
  }

  get length(): number {
    return this.#length;
  }

  /** 0 where nothing was set. */
  get(index: number): number {
    return this.#cells[index] ?? 0;
  }

  set(index: number, value: number): void {
    if (index >= this.#cells.length) {
      const wider = this.#make(Math.max(this.#cells.length * 2, index + 1));
      wider.set(this.#cells);
      this.#cells = wider;
    }
    this.#cells[index] = value;
    this.#length = Math.max(this.#length, index + 1);
  }
}

export class NumberColumn extends Column<Float64Array> {
  constructor() {
    super((length) => new Float64Array(length));
  }
}

export class ByteColumn extends Column<Uint8Array> {
  constructor() {
    super((length) => new Uint8Array(length));
  }
}
