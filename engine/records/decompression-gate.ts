/**
 * Limits how much this process decompresses at once. Each decompression is bounded (compression.ts), but when a thousand
 * readers ask for a stored bomb of 20 KiB together, the total is a thousand times its bound. So each waits for its share of
 * one budget, first come first served. Small and usual ones never wait.
 */
import { Overloaded } from '../kernel/failure.ts';

export class DecompressionGate {
  readonly #bytesMax: number;
  readonly #waitingMax: number;
  #free: number;
  #tellCrowded: () => void = () => undefined;
  readonly #waiting: { readonly bytes: number; readonly enter: () => void }[] = [];

  /** `waitingMax`: when this many wait, further callers are refused. */
  constructor(bytesMax: number, waitingMax: number) {
    this.#bytesMax = bytesMax;
    this.#waitingMax = waitingMax;
    this.#free = bytesMax;
  }

  /** Whether somebody is waiting. */
  get isCrowded(): boolean {
    return this.#waiting.length > 0;
  }

  /** `tell` is called when somebody has to wait: holders of a share that they could do without then give it back. */
  onCrowded(tell: () => void): void {
    this.#tellCrowded = tell;
  }

  /** `bytes`: the largest possible output. More than the whole budget counts as the whole. Throws Overloaded. */
  async pass<T>(bytes: number, work: () => Promise<T>): Promise<T> {
    const share = Math.min(bytes, this.#bytesMax);
    if (this.#waiting.length > 0 || share > this.#free) {
      if (this.#waiting.length >= this.#waitingMax) throw new Overloaded('too many batches wait to be decompressed');
      await new Promise<void>((enter) => {
        this.#waiting.push({ bytes: share, enter });
        this.#tellCrowded();
      });
    } else this.#free -= share;
    try {
      return await work();
    } finally {
      this.#free += share;
      this.#next();
    }
  }

  #next(): void {
    for (let first = this.#waiting[0]; first && first.bytes <= this.#free; first = this.#waiting[0]) {
      this.#waiting.shift();
      this.#free -= first.bytes;
      first.enter();
    }
  }
}
