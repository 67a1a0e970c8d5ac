/** Splits record batches that came in one body or frame, one after the other, into a buffer each. */
import { batchesIn, batchSizeBytes } from '../../engine/records/batch.ts';
import { Failure } from '../../engine/kernel/failure.ts';

/** The bytes are not a sequence of whole record batches, or hold too many. */
export class MalformedBatches extends Failure {
  readonly code = 'invalid-request';
}

/**
 * At least one, and at most `batchesMax`. Checks only lengths and magic: the broker checks the rest. Throws
 * MalformedBatches.
 */
export function splitBatches(body: Buffer, batchesMax: number): Buffer[] {
  const batches: Buffer[] = [];
  let end = 0;
  try {
    for (const at of batchesIn(body)) {
      if (batches.length === batchesMax) {
        throw new MalformedBatches(`more than ${batchesMax} record batches in one request`);
      }
      end = at + batchSizeBytes(body, at);
      // Copy each: the engine stamps offsets into them, and one batch must not keep the whole body alive.
      batches.push(Buffer.from(body.subarray(at, end)));
    }
  } catch (error) {
    if (error instanceof Failure) throw new MalformedBatches(error.message);
    throw error;
  }
  if (end !== body.length || batches.length === 0) {
    throw new MalformedBatches(`there is no whole record batch at byte ${end}`);
  }
  return batches;
}
