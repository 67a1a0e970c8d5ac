/**
 * Whether every record of a batch for a compacted topic has a key. A look into the batch may take a decompression in another
 * thread, and appends to one log must keep the order in which they came: an idempotent producer has several batches under
 * way, and a small one after a large one would be ready first. So the checks of one log end in their order:
 *
 *   large comes ── small comes ── small is checked, waits ── large is checked, appended ── small appended
 *
 * A log that was given away meanwhile refuses the append itself.
 */
import type { PartitionLog } from '../log/log.ts';
import type { BatchFault } from '../records/batch.ts';
import { validateRecords } from '../records/decode.ts';

/** The last check of a log that has not ended; it and what it keeps go with the log. */
const lastOf = new WeakMap<PartitionLog, Promise<void>>();

/** Calls `done` once: with what is wrong, or nothing. */
export function afterKeyCheck(log: PartitionLog, batch: Buffer, done: (fault?: BatchFault) => void): void {
  const checked = validateRecords(batch, { requiresKey: true });
  const before = lastOf.get(log);
  const ended = (async (): Promise<void> => {
    const facts = await checked;
    await before;
    if ('errorCode' in facts) done(facts);
    else done();
  })();
  lastOf.set(log, ended);
}
