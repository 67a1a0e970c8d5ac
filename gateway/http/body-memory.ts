/**
 * What request bodies and WebSocket messages may take together, over all connections (cluster-shares.ts). Whoever holds bytes
 * of a request beyond the call that brought them counts them here until the request is answered. Bytes count as they
 * arrive: an announced length is only a promise, and would let a few idle connections lock everybody out.
 *
 * What is refused is the request that finds the memory taken: it frees what it had, so those under way can end. Streams
 * that can be held back (NDJSON) are held back instead, each with one slice in hand at least, and so none waits for ever.
 */
import { Overloaded } from '../../engine/kernel/failure.ts';
import { ClusterShares } from '../cluster-shares.ts';

export class BodyMemory extends ClusterShares {
  refusal(clusterId: string, bytes: number): Overloaded {
    return new Overloaded(
      this.heldBy(clusterId) + bytes > this.ofClusterMax
        ? `the unanswered requests of this cluster would exceed the ${this.ofClusterMax} bytes that they may take together`
        : `the unanswered requests of all clients would exceed the ${this.max} bytes that they may take together`,
    );
  }
}

/** What one exchange holds of it. */
export class HeldBody {
  readonly #memory: BodyMemory;
  readonly #clusterId: string;
  #bytes = 0;

  constructor(memory: BodyMemory, clusterId: string) {
    this.#memory = memory;
    this.#clusterId = clusterId;
  }

  /** The refusal, or undefined when the bytes are taken. */
  take(bytes: number): Overloaded | undefined {
    if (!this.#memory.tryTake(this.#clusterId, bytes)) return this.#memory.refusal(this.#clusterId, bytes);
    this.#bytes += bytes;
    return undefined;
  }

  /** The exchange has ended; any number of times. */
  giveAll(): void {
    if (this.#bytes > 0) this.#memory.give(this.#clusterId, this.#bytes);
    this.#bytes = 0;
  }
}
