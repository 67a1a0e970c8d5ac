/**
 * Whether a group makes progress: how long records are acknowledged without a commit after them. This clock runs only
 * while records are acknowledged, so that neither an installation without a living broker nor a machine that gives the
 * soak no time counts as a group that stands still.
 */
const ackGapMsMax = 1000;

export class CommitPauses {
  readonly #stuckMs: number;
  #clockMs = 0;
  #lastAckMs: number | undefined;
  /**
   * Of the first record since the last commit, by partition: a partition that stands still is stuck, whatever the
   * others do.
   */
  readonly #sinceMs = new Map<number, number>();
  /** The same, of the whole group. */
  #groupSinceMs: number | undefined;
  readonly #commits = new Map<number, number>();
  /** Partitions whose current pause has been reported. */
  readonly #told = new Set<number>();
  #longestMs = 0;
  #longestOfPartitionMs = 0;

  constructor(stuckMs: number) {
    this.#stuckMs = stuckMs;
  }

  /** Returns the findings, one for each time that a partition stands still. */
  acked(partition: number, atMs: number): string | undefined {
    this.#clockMs += Math.min(atMs - (this.#lastAckMs ?? atMs), ackGapMsMax);
    this.#lastAckMs = atMs;
    this.#groupSinceMs ??= this.#clockMs;
    if (!this.#sinceMs.has(partition)) this.#sinceMs.set(partition, this.#clockMs);
    const groupMs = this.#clockMs - this.#groupSinceMs;
    const partitionMs = this.#clockMs - this.#sinceMs.get(partition)!;
    this.#longestMs = Math.max(this.#longestMs, groupMs);
    this.#longestOfPartitionMs = Math.max(this.#longestOfPartitionMs, partitionMs);
    if (partitionMs <= this.#stuckMs || this.#told.has(partition)) return undefined;
    this.#told.add(partition);
    const inAll = `in the whole group for ${Math.round(groupMs)} ms`;
    return `no commit of partition ${partition} for ${Math.round(partitionMs)} ms, ${inAll}, and records are acknowledged`;
  }

  committed(partition: number): void {
    this.#commits.set(partition, this.commitsOf(partition) + 1);
    this.#groupSinceMs = undefined;
    this.#sinceMs.delete(partition);
    this.#told.delete(partition);
  }

  /** How long records have been acknowledged so far. */
  get clockMs(): number {
    return this.#clockMs;
  }

  commitsOf(partition: number): number {
    return this.#commits.get(partition) ?? 0;
  }

  get longestMs(): number {
    return Math.round(this.#longestMs);
  }

  get longestOfPartitionMs(): number {
    return Math.round(this.#longestOfPartitionMs);
  }
}
