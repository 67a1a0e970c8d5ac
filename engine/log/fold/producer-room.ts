/**
 * Bounds the memory for producers over all logs of a broker: about 400 bytes each, 900 with five batches. The limit of a
 * single log is not enough: over the 2,400 partitions of one tenant it would allow 10 GB, which 24 million small batches
 * can fill. So when the room is used up, the logs with the most producers forget the ones they have not heard from for
 * longest, down to the share that is left for each. Logs with few producers keep theirs, whatever others do.
 *
 * The counts are looked at only after a certain number of new producers, so that an append pays nothing for it.
 */

export interface HoldsProducers {
  readonly producerCount: number;
  /** Forgets the least recently used ones. */
  trimProducers(producersMax: number): void;
}

/** The most each log may have so that together they stay within `room`; Infinity when they already do. */
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

  /** How many producers a log may have for now. */
  get perLogMax(): number {
    return this.#perLogMax;
  }

  /** Reports that the logs remember `count` more producers than before. */
  added(count: number): void {
    this.#addedSinceLook += count;
    if (this.#addedSinceLook * looksPerRoom >= this.#limits.producersMax) this.#look();
  }

  #look(): void {
    this.#addedSinceLook = 0;
    const holders = [...this.#logs()].filter(({ producerCount }) => producerCount > 0);
    const counts = holders.map(({ producerCount }) => producerCount);
    // A log with only one keeps it: a producer that continues to send stays known.
    const share = Math.max(1, producerShare(counts, this.#limits.producersMax));
    this.#perLogMax = Math.min(share, this.#limits.producersPerLogMax);
    if (share === Infinity) return;
    for (const holder of holders) holder.trimProducers(this.#perLogMax);
  }
}

/** One look for each hundredth of the room that has been added. */
const looksPerRoom = 100;
