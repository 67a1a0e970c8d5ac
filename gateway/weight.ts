/**
 * What a request stands for that names many things. Rates count requests, and a request of a few bytes more for each may name
 * 100,000 partitions or groups, which is the work of thousands: whoever sends those would have the process for itself. So a
 * request is charged for what it names beyond what usual ones do, and names no more than a cluster of its size can have.
 */
import type { ClusterLimits } from '../tenancy/tenancy.ts';

/** Elements of its arrays. An element that is decoded, looked up and answered costs a tenth of a small request, and less. */
const usualElements = 100;
const elementsPerRequest = 10;

/** How many requests it stands for beside itself. */
export function requestsBeside(elements: number): number {
  return elements > usualElements ? Math.floor((elements - usualElements) / elementsPerRequest) : 0;
}

/** What is shown of many partitions (Metadata) or configs that nobody named one by one: a microsecond or two each. */
const shownPerRequest = 50;

export function requestsForShown(shown: number): number {
  return shown > usualElements ? Math.floor((shown - usualElements) / shownPerRequest) : 0;
}

/** Of every cluster, however small: also what a frame of as many bytes can hold. */
export const elementsMin = 20_000;
/** A partition that is reassigned is five elements: itself, its replicas and its share of a topic. */
const elementsPerPartition = 8;
/** Of a cluster without limits, and of every message (engine/protocol/limits.ts). */
const elementsMost = 1_000_000;

/** How many elements one request of a cluster may have. */
export function elementsMaxOf(limits: ClusterLimits | undefined): number {
  return Math.min(elementsMost, elementsMin + elementsPerPartition * (limits?.partitionsMax ?? 0));
}

/** What stored records of as many bytes would have cost: at the default rates their bytes are the first to run out. */
const refusedBytesPerRequest = 16 * 1024;
/** The largest body that is read, and what is discarded behind it. */
const refusedBytesMost = 16 * 1024 * 1024;

/** Of a body over HTTP that was refused, whatever it had cost by then to receive, decompress and parse it. */
export function requestsForRefused(bodyBytes: number): number {
  return Math.floor(Math.min(bodyBytes, refusedBytesMost) / refusedBytesPerRequest);
}
