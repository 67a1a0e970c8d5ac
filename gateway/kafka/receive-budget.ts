/**
 * Memory for request frames, shared by all connections of the door (cluster-shares.ts). A client with a key may send frames
 * of 100 MiB and may have thousands of connections. A frame is charged by the size of its buffers, as it arrives and until
 * it is answered. Small frames are not counted: the number of connections bounds them, and no heartbeat may be refused
 * because others send much.
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

  /** Throws Overloaded: the connection that asked must be ended, and its client reconnects. */
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

/** How much of the budget a frame of this size holds once it has arrived. */
export function countedBytes(frameBytes: number): number {
  return frameBytes > uncountedBytesMax ? frameBytes : 0;
}
