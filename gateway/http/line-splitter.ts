/** Cuts a stream of bytes into lines, holding at most one unfinished line. */
export class LineSplitter {
  readonly #lineBytesMax: number;
  #rest: Buffer[] = [];
  #restBytes = 0;

  constructor(lineBytesMax: number) {
    this.#lineBytesMax = lineBytesMax;
  }

  /** Calls `onLine` for each line that `chunk` completes, without its line break. False: a line is over the limit. */
  push(chunk: Buffer, onLine: (line: Buffer) => void): boolean {
    let from = 0;
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, from)) {
      if (this.#restBytes + at - from > this.#lineBytesMax) return false;
      onLine(this.#join(chunk.subarray(from, at)));
      from = at + 1;
    }
    if (from < chunk.length) {
      this.#rest.push(chunk.subarray(from));
      this.#restBytes += chunk.length - from;
    }
    return this.#restBytes <= this.#lineBytesMax;
  }

  /** The last line, when the stream does not end with a line break; else empty. */
  end(): Buffer {
    return this.#join(Buffer.alloc(0));
  }

  #join(last: Buffer): Buffer {
    const line = this.#restBytes === 0 ? last : Buffer.concat([...this.#rest, last]);
    this.#rest = [];
    this.#restBytes = 0;
    return line.at(-1) === 13 ? line.subarray(0, -1) : line;
  }
}
