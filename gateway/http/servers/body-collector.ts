/** Assembles a request body: one copy of the bytes when they come at once or their number was announced. */
export class BodyCollector {
  readonly #limitBytes: number;
  readonly #declaredBytes: number | undefined;
  #target: Buffer | undefined;
  #parts: Buffer[] = [];
  #length = 0;

  /** `declaredBytes` from content-length, at most `limitBytes`; undefined when chunked. */
  constructor(limitBytes: number, declaredBytes: number | undefined) {
    this.#limitBytes = limitBytes;
    this.#declaredBytes = declaredBytes;
  }

  /** Copies `piece`, which may be reused at once. False: the body is over the limit and the collector is spent. */
  push(piece: Uint8Array, isLast: boolean): boolean {
    if (this.#length + piece.length > this.#limitBytes) {
      this.#target = undefined;
      this.#parts = [];
      return false;
    }
    if (piece.length === 0) return true;
    if (this.#declaredBytes !== undefined && !(isLast && this.#length === 0)) {
      this.#target ??= Buffer.allocUnsafe(this.#declaredBytes);
      this.#target.set(piece, this.#length);
    } else {
      this.#parts.push(ownBytes(piece));
    }
    this.#length += piece.length;
    return true;
  }

  body(): Buffer {
    if (this.#target) return this.#target.subarray(0, this.#length);
    const [only] = this.#parts;
    return only && this.#parts.length === 1 ? only : Buffer.concat(this.#parts, this.#length);
  }
}

/** A copy that outlives the transport's buffer. */
export function ownBytes(bytes: Uint8Array): Buffer {
  const copy = Buffer.allocUnsafe(bytes.length);
  copy.set(bytes);
  return copy;
}
