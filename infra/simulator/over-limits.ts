/**
 * Whether a fetch was answered with more than it asked for (KIP-74): a partition returns no more than its limit, all
 * together no more than the request's. The first batch of the first partition that has one is returned whatever its size.
 */
import type { FetchedPartition } from '../../engine/engine.ts';
import { batchesIn } from '../../engine/records/batch.ts';
import { recordBytes } from '../../engine/routing/fetch-message.ts';

/** The problem with `answer`; undefined when there is none. */
export function overLimits(
  answer: readonly Pick<FetchedPartition, 'records'>[],
  partitionMaxBytes: number,
  maxBytes: number,
): string | undefined {
  let sumBytes = 0;
  for (const [i, { records }] of answer.entries()) {
    const bytes = recordBytes(records);
    const isFirstBatch = sumBytes === 0 && batchCount(records) === 1;
    if (bytes > partitionMaxBytes && !isFirstBatch) {
      return `was given ${bytes} bytes of the partition at place ${i} of its request, and had asked for ${partitionMaxBytes}`;
    }
    sumBytes += bytes;
    if (bytes > 0 && sumBytes > maxBytes && !isFirstBatch) {
      return `was given ${sumBytes} bytes, and had asked for ${maxBytes}`;
    }
  }
  return undefined;
}

function batchCount(records: readonly Uint8Array[]): number {
  return records.reduce((count, part) => count + [...batchesIn(part)].length, 0);
}
