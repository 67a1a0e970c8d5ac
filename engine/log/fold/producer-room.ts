/**
 * Memory for producers over all logs of a broker: some 400 bytes each, 900 with five batches. What a log alone may have is 10 GB
 * in the 2,400 partitions of one tenant, who needs 24 million small batches for it. So when there is room for no more, those
 * logs that have the most forget the producers which they have not heard of for longest, down to what is left for each; logs
 * that have few keep them, whatever others do.
 *
 * Looked at anew after every so many producers that have come, so that it costs an append nothing.
 */

export interface HoldsProducers {
  readonly producerCount: number;
  /** Forgets those unused for longest. */
  trimProducers(producersMax: number): void;
}

/** The most that each may have so that together they have `room` at most; Infinity when they have no more than that. */
export function producerShare(counts: readonly number[], room: number): number {
  let left = room;
  let logs = counts.length;
  for (const count of counts.toSorted((a, b) => a - b)) {
    const share = Math.floor(left / logs--);
    if (count > share) return share;
    left -= count;
  }
  return Infinity;
}

export class ProducerRoom {
  readonly #logs: () => Iterable<HoldsProducers>;
  readonly #limits: { readonly producersPerLogMax: number; readonly producersMax: number };
  #addedSinceLook = 0;
  #perLogMax: number;

  constructor(
    logs: () => Iterable<HoldsProducers>,
    limits: { readonly producersPerLogMax: number; readonly producersMax: number },
  ) {
    this.#logs = logs;
    this.#limits = limits;
    this.#perLogMax = limits.producersPerLogMax;
  }

  /** How many a log may have for now. */
  get perLogMax(): number {
    return this.#perLogMax;
  }

  /** So many more are remembered than before. */
  added(count: number): void {
    this.#addedSinceLook += count;
    if (this.#addedSinceLook * looksPerRoom >= this.#limits.producersMax) this.#look();
  }

  #look(): void {
    this.#addedSinceLook = 0;
    const holders = [...this.#logs()].filter(({ producerCount }) => producerCount > 0);
    const counts = holders.map(({ producerCount }) => producerCount);
    // A log that has just one keeps it: who goes on to send is known.
    const share = Math.max(1, producerShare(counts, this.#limits.producersMax));
    this.#perLogMax = Math.min(share, this.#limits.producersPerLogMax);
    if (share === Infinity) return;
    for (const holder of holders) holder.trimProducers(this.#perLogMax);
  }
}

/** What has come between two looks is a hundredth of all. */
const looksPerRoom = 100;
