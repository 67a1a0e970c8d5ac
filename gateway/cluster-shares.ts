/**
 * A scarce resource that all connections of a door share, such as memory for requests. Each connection has its own limit,
 * but thousands of connections within it could still end the process. So the total is bounded, and one cluster may hold
 * half of it: what its slow or many clients hold must not cause those of others to be refused.
 */
import { assert } from '../engine/kernel/assert.ts';

/** One cluster's share of the total: two that hold their maximum may leave nothing, and one alone loses little. */
const clusterShareMax = 0.5;

export class ClusterShares {
  readonly max: number;
  readonly ofClusterMax: number;
  /** Clusters that hold something. */
  readonly #ofCluster = new Map<string, number>();
  #held = 0;

  constructor(max: number) {
    this.max = max;
    this.ofClusterMax = max * clusterShareMax;
  }

  get held(): number {
    return this.#held;
  }

  heldBy(clusterId: string): number {
    return this.#ofCluster.get(clusterId) ?? 0;
  }

  isFullFor(clusterId: string): boolean {
    return this.#held >= this.max || this.heldBy(clusterId) >= this.ofClusterMax;
  }

  /** False: nothing is held, and the caller must refuse the request. */
  tryTake(clusterId: string, amount: number): boolean {
    if (this.#held + amount > this.max || this.heldBy(clusterId) + amount > this.ofClusterMax) return false;
    this.take(clusterId, amount);
    return true;
  }

  /** For amounts that are already held, whatever the limits say. */
  take(clusterId: string, amount: number): void {
    this.#held += amount;
    this.#ofCluster.set(clusterId, this.heldBy(clusterId) + amount);
  }

  give(clusterId: string, amount: number): void {
    const left = this.heldBy(clusterId) - amount;
    assert(left >= 0, 'no more is given back than was taken');
    this.#held -= amount;
    if (left > 0) this.#ofCluster.set(clusterId, left);
    else this.#ofCluster.delete(clusterId);
  }
}
