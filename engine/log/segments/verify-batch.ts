/**
 * Checks whether a batch in a segment is the one that was stored there. The batch's own CRC covers everything from the
 * attributes on. The 21 bytes before that, which the log wrote itself, are checked against what the log knows. Offsets are
 * dense, so each batch begins where the one before it ended. With a wrong length or magic, no batch has a valid CRC. The
 * leader epoch is compared with the log's own list. So no single flipped bit goes unnoticed. And whatever was stored, a
 * reader that continues behind a good batch gets further, and never past the segment's end.
 */
import {
  baseOffset,
  batchSizeBytes,
  isIntactBatch,
  lastOffset,
  lastOffsetDelta,
  leaderEpoch,
  recordCount,
} from '../../records/batch.ts';

/** The leader epoch that wrote `offset`; -1 when it is not known (any more), in which case it is not compared. */
export type EpochAt = (offset: number) => number;

/**
 * Says what is wrong with the whole batch at `at`, whose first offset must be `expectedBase`, in a segment that ends at
 * `endOffset`; undefined when nothing is.
 */
export function batchDamage(
  bytes: Buffer,
  at: number,
  expectedBase: number,
  endOffset: number,
  epochAt: EpochAt,
): string | undefined {
  if (!isIntactBatch(bytes, at)) return 'the checksum does not hold';
  const base = baseOffset(bytes, at);
  if (base !== expectedBase) return `offset ${base} where ${expectedBase} belongs`;
  if (!isDense(bytes, at)) {
    return `${recordCount(bytes, at)} records with last offset delta ${lastOffsetDelta(bytes, at)}`;
  }
  const last = lastOffset(bytes, at);
  if (last >= endOffset) return `offset ${last} in a segment that ends at ${endOffset}`;
  const epoch = epochAt(base);
  if (epoch !== -1 && epoch !== leaderEpoch(bytes, at)) return `leader epoch ${leaderEpoch(bytes, at)} is not ${epoch}`;
  return undefined;
}

/**
 * Whether the batch has one record for each of its offsets, as every batch that a log has accepted. Otherwise nobody knows
 * which offsets it has, and a consumer that believes one of the two numbers fails at it.
 */
export function isDense(bytes: Uint8Array, at: number): boolean {
  return recordCount(bytes, at) === lastOffsetDelta(bytes, at) + 1;
}

/** Positions and ends of all batches of a segment from `baseOffset` on; calls `damaged` with the first bad one. */
export function wholeBatches(
  bytes: Buffer,
  base: number,
  endOffset: number,
  epochAt: EpochAt,
  damaged: (at: number, what: string) => Error,
): Buffer[] {
  const batches: Buffer[] = [];
  let at = 0;
  let expected = base;
  while (at < bytes.length) {
    const damage = batchDamage(bytes, at, expected, endOffset, epochAt);
    if (damage !== undefined) throw damaged(at, damage);
    const end = at + batchSizeBytes(bytes, at);
    batches.push(bytes.subarray(at, end));
    expected = lastOffset(bytes, at) + 1;
    at = end;
  }
  if (expected !== endOffset) throw damaged(at, `ends at offset ${expected}, not ${endOffset}`);
  return batches;
}
