/**
 * The cost of a request that names many things. Rates count requests, but a request of a few bytes more for each may name
 * 100,000 partitions or groups. That is the work of thousands of requests, and its sender could occupy the whole process.
 * So a request is charged for every element beyond the usual number, and names no more than a cluster of its size can have.
 */
import type { ClusterLimits } from '../tenancy/tenancy.ts';

/** Elements of its arrays. Decoding, looking up and answering one costs a tenth of a small request or less. */
const usualElements = 100;
const elementsPerRequest = 10;

/** How many further requests it counts as. */
export function requestsBeside(elements: number): number {
  return elements > usualElements ? Math.floor((elements - usualElements) / elementsPerRequest) : 0;
}

/** The cost of showing many partitions (Metadata) or configs that nobody named one by one: a microsecond or two each. */
const shownPerRequest = 50;

export function requestsForShown(shown: number): number {
  return shown > usualElements ? Math.floor((shown - usualElements) / shownPerRequest) : 0;
}

/** For every cluster, however small: also the most that a frame of as many bytes can hold. */
export const elementsMin = 20_000;
/** A reassigned partition is five elements: itself, its replicas and its share of a topic. */
const elementsPerPartition = 8;
/** For a cluster without limits, and for every message (engine/protocol/limits.ts). */
const elementsMost = 1_000_000;

/** How many elements one request of a cluster may have. */
export function elementsMaxOf(limits: ClusterLimits | undefined): number {
  return Math.min(elementsMost, elementsMin + elementsPerPartition * (limits?.partitionsMax ?? 0));
}

/** What storing records of as many bytes would have cost: at the default rates their bytes are used up first. */
const refusedBytesPerRequest = 16 * 1024;
/** The largest body that is read, plus the bytes discarded behind it. */
const refusedBytesMost = 16 * 1024 * 1024;

/** The cost of a refused HTTP body, however much receiving, decompressing and parsing it has cost. */
export function requestsForRefused(bodyBytes: number): number {
  return Math.floor(Math.min(bodyBytes, refusedBytesMost) / refusedBytesPerRequest);
}
