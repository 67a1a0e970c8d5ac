/** Record batches that came in one body or frame, one behind the other, each in a buffer of its own. */
import { batchesIn, batchSizeBytes } from '../../engine/records/batch.ts';
import { Failure } from '../../engine/kernel/failure.ts';

/** The bytes are not a sequence of whole record batches, or of too many. */
export class MalformedBatches extends Failure {
  readonly code = 'invalid-request';
}

/** At least one, and at most `batchesMax`. Looks at lengths and magic only: the broker checks the rest. Throws MalformedBatches. */
export function splitBatches(body: Buffer, batchesMax: number): Buffer[] {
  const batches: Buffer[] = [];
  let end = 0;
  try {
    for (const at of batchesIn(body)) {
      if (batches.length === batchesMax) {
        throw new MalformedBatches(`more than ${batchesMax} record batches in one request`);
      }
      end = at + batchSizeBytes(body, at);
      // A copy each: the engine stamps offsets into them, and one batch shall not keep the whole body alive.
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
