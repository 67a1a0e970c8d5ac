/**
 * What a partition demands of its owner, as a vector: bytes in, bytes out and requests per second, each in billionths
 * of what one broker can carry. Whole numbers, so sums do not depend on the order of adding, and every process that
 * plans from the same input makes the same plan. The number of logs a broker holds is the fourth dimension; it is
 * counted, not summed.
 *
 * A broker is as hot as its hottest dimension: evenly spread bytes do not help a broker that drowns in requests.
 */
export type Load = readonly [bytesIn: number, bytesOut: number, requests: number];

/** In the order of a load; the last one is counted. */
export const dimensions = ['bytes-in', 'bytes-out', 'requests', 'partitions'] as const;

/** One whole broker, in one dimension. */
export const wholeBroker = 1_000_000_000;

export const idleLoad: Load = [0, 0, 0];

/** Rates per second at which a broker counts as full. */
export interface BrokerCapacity {
  readonly bytesInPerSecond: number;
  readonly bytesOutPerSecond: number;
  readonly requestsPerSecond: number;
}

/** Rates per second as shares of `capacity`. */
export function loadOfRates(bytesIn: number, bytesOut: number, requests: number, capacity: BrokerCapacity): Load {
  const load: Load = [
    share(bytesIn, capacity.bytesInPerSecond),
    share(bytesOut, capacity.bytesOutPerSecond),
    share(requests, capacity.requestsPerSecond),
  ];
  return load[0] === 0 && load[1] === 0 && load[2] === 0 ? idleLoad : load;
}

/** The hottest dimension of one partition, for "largest first". */
export function peakOf(load: Load): number {
  return Math.max(load[0], load[1], load[2]);
}

function share(rate: number, capacity: number): number {
  return Math.round((rate / capacity) * wholeBroker);
}
