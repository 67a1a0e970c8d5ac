/**
 * Whether every record of a batch for a compacted topic has a key. A look into the batch may take a decompression in another
 * thread, and appends to one log must keep the order in which they came: an idempotent producer has several batches under
 * way, and a small one after a large one would be ready first. So the checks of one log end in their order:
 *
 *   large comes ── small comes ── small is checked, waits ── large is checked, appended ── small appended
 *
 * A batch that needs no look waits behind those that do as well: the topic may have ceased to be compacted in between.
 * A log that was given away meanwhile refuses the append itself.
 */
import { Overloaded } from '../kernel/failure.ts';
import type { PartitionLog } from '../log/log.ts';
import { errorCode } from '../protocol/error-codes.ts';
import { validateRecords } from '../records/decode.ts';

export interface RecordsFault {
  readonly errorCode: number;
  readonly message: string;
  readonly recordIndexes?: readonly number[];
}

/** The last check of a log, while it has not ended. */
const lastOf = new WeakMap<PartitionLog, Promise<void>>();

/**
 * Calls `done` once, with what is wrong or nothing: in this turn, when neither this batch nor one before it is to be looked
 * into.
 */
export function afterKeyCheck(
  log: PartitionLog,
  batch: Buffer,
  requiresKey: boolean,
  done: (fault?: RecordsFault) => void,
): void {
  const before = lastOf.get(log);
  if (!requiresKey && !before) {
    done();
    return;
  }
  const checked = requiresKey ? validateRecords(batch, { requiresKey }).catch(unlessOverloaded) : undefined;
  const ended = Promise.all([checked, before]).then(([facts]) => {
    if (lastOf.get(log) === ended) lastOf.delete(log);
    if (facts && 'errorCode' in facts) done(facts);
    else done();
  });
  lastOf.set(log, ended);
}

/** Nothing is wrong with the batch, and nothing of it is stored: its sender tries again. */
export function unlessOverloaded(error: unknown): RecordsFault {
  if (!(error instanceof Overloaded)) throw error;
  return { errorCode: errorCode.requestTimedOut, message: error.message };
}
