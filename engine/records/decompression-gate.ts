/**
 * How much may be decompressed at once in this process. Each decompression is bounded (compression.ts), but a stored bomb
 * of 20 KiB that a thousand readers ask for together is a thousand times its bound. So each waits for its share of one
 * budget, first come first served; the small and usual ones never wait.
 */
import { Overloaded } from '../kernel/failure.ts';

export class DecompressionGate {
  readonly #bytesMax: number;
  readonly #waitingMax: number;
  #free: number;
  #tellCrowded: () => void = () => undefined;
  readonly #waiting: { readonly bytes: number; readonly enter: () => void }[] = [];

  /** `waitingMax`: who comes when so many wait is refused. */
  constructor(bytesMax: number, waitingMax: number) {
    this.#bytesMax = bytesMax;
    this.#waitingMax = waitingMax;
    this.#free = bytesMax;
  }

  /** Somebody waits. */
  get isCrowded(): boolean {
    return this.#waiting.length > 0;
  }

  /** Called when somebody has to wait: who holds a share that it could do without gives it back. */
  onCrowded(tell: () => void): void {
    this.#tellCrowded = tell;
  }

  /** `bytes`: what comes out at most. More than the whole budget counts as all of it. Throws Overloaded. */
  async pass<T>(bytes: number, work: () => Promise<T>): Promise<T> {
    const share = Math.min(bytes, this.#bytesMax);
    if (this.#waiting.length > 0 || share > this.#free) {
      if (this.#waiting.length >= this.#waitingMax) throw new Overloaded('too much waits to be decompressed');
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
