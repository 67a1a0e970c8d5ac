/**
 * Memory for request frames, shared by all connections of the door (cluster-shares.ts). A client with a key may send frames of
 * 100 MiB, and may have thousands of connections. Frames are charged as they arrive, by what their buffers hold, and until
 * they are answered. Small frames are let through uncounted: they are bounded by the number of connections, and nobody's
 * heartbeat shall be refused because others send much.
 */
import { Overloaded } from '../../engine/kernel/failure.ts';
import { ClusterShares } from '../cluster-shares.ts';

/** Frames up to here cost nothing. */
const uncountedBytesMax = 64 * 1024;

export class ReceiveBudget {
  readonly #shares: ClusterShares;

  constructor(bytesMax: number) {
    this.#shares = new ClusterShares(bytesMax);
  }

  get takenBytes(): number {
    return this.#shares.held;
  }

  /** Throws Overloaded: the connection that asked is to be ended, its client comes back. */
  take(clusterId: string, bytes: number): void {
    if (this.#shares.tryTake(clusterId, bytes)) return;
    const { ofClusterMax, max } = this.#shares;
    const isOfCluster = this.#shares.heldBy(clusterId) + bytes > ofClusterMax;
    throw new Overloaded(
      isOfCluster
        ? `request frames of this cluster hold over ${ofClusterMax} bytes`
        : `request frames of all connections hold over ${max} bytes`,
    );
  }

  give(clusterId: string, bytes: number): void {
    this.#shares.give(clusterId, bytes);
  }
}

/** What a frame of this size holds of the budget once it has arrived. */
export function countedBytes(frameBytes: number): number {
  return frameBytes > uncountedBytesMax ? frameBytes : 0;
}
