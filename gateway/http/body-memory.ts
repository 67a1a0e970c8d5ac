/**
 * What request bodies and WebSocket messages may take together, over all connections: each has a limit of its own, and a
 * thousand of them at that limit would still end the process. Whoever holds bytes of a request beyond the call that
 * brought them counts them here until the request is answered. Bytes count as they arrive: an announced length is only a
 * promise, and would let a few idle connections lock everybody out.
 *
 * What is refused is the request that finds the memory taken: it frees what it had, so those under way can end. Streams
 * that can be held back (NDJSON) are held back instead, each with one slice in hand at least, and so none waits for ever.
 */
import { assert } from '../../engine/kernel/assert.ts';
import { Overloaded } from '../../engine/kernel/failure.ts';

export class BodyMemory {
  readonly #bytesMax: number;
  #heldBytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  get isFull(): boolean {
    return this.#heldBytes >= this.#bytesMax;
  }

  /** False: nothing is held, and the request is to be refused. */
  tryTake(bytes: number): boolean {
    if (this.#heldBytes + bytes > this.#bytesMax) return false;
    this.#heldBytes += bytes;
    return true;
  }

  refusal(): Overloaded {
    return new Overloaded(`requests of all clients hold the ${this.#bytesMax} bytes that they may hold together`);
  }

  /** For what is here already, and whose sender is held back. */
  add(bytes: number): void {
    this.#heldBytes += bytes;
  }

  give(bytes: number): void {
    assert(bytes <= this.#heldBytes, 'no more is given back than was taken');
    this.#heldBytes -= bytes;
  }
}

/** What one exchange holds of it. */
export class HeldBody {
  readonly memory: BodyMemory;
  #bytes = 0;

  constructor(memory: BodyMemory) {
    this.memory = memory;
  }

  tryTake(bytes: number): boolean {
    if (!this.memory.tryTake(bytes)) return false;
    this.#bytes += bytes;
    return true;
  }

  /** The exchange has ended; any number of times. */
  giveAll(): void {
    if (this.#bytes > 0) this.memory.give(this.#bytes);
    this.#bytes = 0;
  }
}
