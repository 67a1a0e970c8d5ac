/**
 * What request bodies and WebSocket messages may take together, over all connections: each has a limit of its own, and a
 * thousand of them at that limit would still end the process. Whoever holds bytes of a request beyond the call that
 * brought them counts them here until the request is answered. Bytes count as they arrive: an announced length is only a
 * promise, and would let a few idle connections lock everybody out.
 *
 * What is refused is the request that finds the memory taken: it frees what it had, so those under way can end. Streams
 * that can be held back (NDJSON) are held back instead, each with one slice in hand at least, and so none waits for ever.
 *
 * One cluster may take a share of it and no more, so that its slow or many senders do not have those of others refused.
 */
import { assert } from '../../engine/kernel/assert.ts';
import { Overloaded } from '../../engine/kernel/failure.ts';

/** Of all memory, for one cluster: two that take all they may have leave nothing, and one alone loses little. */
const clusterShareMax = 0.5;

export class BodyMemory {
  readonly #bytesMax: number;
  readonly #bytesOfClusterMax: number;
  /** Clusters that hold something. */
  readonly #ofCluster = new Map<string, number>();
  #heldBytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
    this.#bytesOfClusterMax = bytesMax * clusterShareMax;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  isFullFor(clusterId: string): boolean {
    return this.#heldBytes >= this.#bytesMax || this.#of(clusterId) >= this.#bytesOfClusterMax;
  }

  /** False: nothing is held, and the request is to be refused. */
  tryTake(clusterId: string, bytes: number): boolean {
    if (this.#heldBytes + bytes > this.#bytesMax) return false;
    if (this.#of(clusterId) + bytes > this.#bytesOfClusterMax) return false;
    this.add(clusterId, bytes);
    return true;
  }

  refusal(clusterId: string, bytes: number): Overloaded {
    return new Overloaded(
      this.#of(clusterId) + bytes > this.#bytesOfClusterMax
        ? `requests of this cluster hold the ${this.#bytesOfClusterMax} bytes that they may hold together`
        : `requests of all clients hold the ${this.#bytesMax} bytes that they may hold together`,
    );
  }

  /** For what is here already, and whose sender is held back. */
  add(clusterId: string, bytes: number): void {
    this.#heldBytes += bytes;
    this.#ofCluster.set(clusterId, this.#of(clusterId) + bytes);
  }

  give(clusterId: string, bytes: number): void {
    const left = this.#of(clusterId) - bytes;
    assert(left >= 0, 'no more is given back than was taken');
    this.#heldBytes -= bytes;
    if (left > 0) this.#ofCluster.set(clusterId, left);
    else this.#ofCluster.delete(clusterId);
  }

  #of(clusterId: string): number {
    return this.#ofCluster.get(clusterId) ?? 0;
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
