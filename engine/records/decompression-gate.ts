/**
 * Limits how much this process decompresses at once. Each decompression is bounded (compression.ts), but when a thousand
 * readers ask for a stored bomb of 20 KiB together, the total is a thousand times its bound. So each waits for its share of
 * one budget. Small and usual ones never wait. The owners of those that wait take turns; of each owner, first come first
 * served.
 */
import { Overloaded } from '../kernel/failure.ts';

/** What one owner cannot take from the others. */
const ownerShareMax = 0.5;

interface Waiting {
  readonly bytes: number;
  readonly enter: () => void;
}

export class DecompressionGate {
  readonly #bytesMax: number;
  readonly #waitingMax: number;
  #free: number;
  #tellCrowded: () => void = () => undefined;
  /** By owner, in the order of their turns; none is empty. */
  readonly #waiting = new Map<string, Waiting[]>();
  #waitingCount = 0;

  /** `waitingMax`: when this many wait, or half as many of one owner, further callers are refused. */
  constructor(bytesMax: number, waitingMax: number) {
    this.#bytesMax = bytesMax;
    this.#waitingMax = waitingMax;
    this.#free = bytesMax;
  }

  /** Whether somebody is waiting. */
  get isCrowded(): boolean {
    return this.#waitingCount > 0;
  }

  /** `tell` is called when somebody has to wait: holders of a share that they could do without then give it back. */
  onCrowded(tell: () => void): void {
    this.#tellCrowded = tell;
  }

  /**
   * `bytes`: the largest possible output. More than the whole budget counts as the whole. `owner`: for whom; empty for the
   * process itself. Throws Overloaded.
   */
  async pass<T>(bytes: number, work: () => Promise<T>, owner = ''): Promise<T> {
    const share = Math.min(bytes, this.#bytesMax);
    if (this.isCrowded || share > this.#free) await this.#wait(share, owner);
    else this.#free -= share;
    try {
      return await work();
    } finally {
      this.#free += share;
      this.#next();
    }
  }

  #wait(bytes: number, owner: string): Promise<void> {
    const waiting = this.#waiting.get(owner) ?? [];
    const ownerMax = owner === '' ? this.#waitingMax : this.#waitingMax * ownerShareMax;
    if (this.#waitingCount >= this.#waitingMax || waiting.length >= ownerMax)
      throw new Overloaded('too many batches wait to be decompressed');
    this.#waiting.set(owner, waiting);
    this.#waitingCount++;
    return new Promise<void>((enter) => {
      waiting.push({ bytes, enter });
      this.#tellCrowded();
    });
  }

  #next(): void {
    for (const [owner, waiting] of this.#waiting) {
      const first = waiting[0]!;
      // What is too large for now keeps its turn: smaller ones that pass it would keep it waiting for ever.
      if (first.bytes > this.#free) return;
      this.#waiting.delete(owner);
      waiting.shift();
      if (waiting.length > 0) this.#waiting.set(owner, waiting);
      this.#waitingCount--;
      this.#free -= first.bytes;
      first.enter();
    }
  }
}
