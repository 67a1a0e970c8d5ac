/**
 * The memory that request bodies and WebSocket messages may take together, over all connections (cluster-shares.ts). A
 * holder of request bytes that outlive the call that delivered them counts them here until the request is answered. Bytes
 * count as they arrive. An announced length is only a promise: counting it would let a few idle connections lock everybody
 * out.
 *
 * When the memory is full, the request that needs more is refused. It frees what it held, so those under way can end.
 * Streams that can be paused (NDJSON) are paused instead of refused. Each keeps at least one slice, so none waits for ever.
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

/** The share of this memory that one exchange holds. */
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

  /** Called when the exchange ends; may be called more than once. */
  giveAll(): void {
    if (this.#bytes > 0) this.#memory.give(this.#clusterId, this.#bytes);
    this.#bytes = 0;
  }
}
