/** Arrays of plain numbers that grow by doubling: no object per element, whatever the length of a run. */
const lengthAtFirst = 1024;

export class NumberColumn {
  #cells = new Float64Array(lengthAtFirst);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** 0 where nothing was set. */
  get(index: number): number {
    return this.#cells[index] ?? 0;
  }

  set(index: number, value: number): void {
    if (index >= this.#cells.length) {
      const wider = new Float64Array(Math.max(this.#cells.length * 2, index + 1));
      wider.set(this.#cells);
      this.#cells = wider;
    }
    this.#cells[index] = value;
    this.#length = Math.max(this.#length, index + 1);
  }
}

export class ByteColumn {
  #cells = new Uint8Array(lengthAtFirst);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  get(index: number): number {
    return this.#cells[index] ?? 0;
  }

  set(index: number, value: number): void {
    if (index >= this.#cells.length) {
      const wider = new Uint8Array(Math.max(this.#cells.length * 2, index + 1));
      wider.set(this.#cells);
      this.#cells = wider;
    }
    this.#cells[index] = value;
    this.#length = Math.max(this.#length, index + 1);
  }
}
