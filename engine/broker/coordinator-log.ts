/** The group coordinator's view of the partition that holds its state: records in, records out, over a PartitionLog. */
import type { Clock } from '../kernel/clock.ts';
import { assert } from '../kernel/assert.ts';
import { Failure } from '../kernel/failure.ts';
import type { PartitionLog } from '../log/log.ts';
import { errorCode, volumeFullCode } from '../protocol/error-codes.ts';
import { batchesIn, batchSizeBytes, isBatchFault, lastOffset, validateBatch } from '../records/batch.ts';
import { decodeBatch } from '../records/decode.ts';
import { encodeBatch } from '../records/encode.ts';
import { AppendUnsure, type CoordinatorLog, type LogRecord } from './groups/coordinator-log.ts';

/**
 * The log has moved to another broker. Clients look for the coordinator again, and find the next one. Nothing was
 * stored.
 */
export class CoordinatorLogLost extends Failure {
  readonly code = 'not-owner';
  override readonly retryable = true;
}

/** Nothing was stored, and the log is unchanged. The coordinator continues, and writes again when there is room. */
export class CoordinatorLogFull extends Failure {
  readonly code = 'disk-full';
  override readonly retryable = true;
}

/** Bytes read and visited in one turn of the event loop: some 10 ms, because the broker has other tenants. */
const replayBytesPerTurnMax = 256 * 1024;

export function coordinatorLog(log: PartitionLog, clock: Clock): CoordinatorLog {
  return {
    append(records: readonly LogRecord[]): Promise<void> {
      const timestampMs = clock.wallMs();
      const batch = encodeBatch(records.map(({ key, value }) => ({ key, value, timestampMs })));
      const header = validateBatch(batch);
      assert(!isBatchFault(header), 'a batch built here is valid');
      return new Promise((resolve, reject) => {
        log.append(batch, header, timestampMs, (outcome) => {
          if (outcome.errorCode === errorCode.none) resolve();
          else if (outcome.errorCode === volumeFullCode) reject(new CoordinatorLogFull('the volume is nearly full'));
          else if (outcome.errorCode === errorCode.notLeaderOrFollower)
            reject(new CoordinatorLogLost('the log has gone'));
          else reject(new AppendUnsure(`append answered with error ${outcome.errorCode}`));
        });
      });
    },
    async replay(visit: (record: LogRecord) => void): Promise<void> {
      let offset = log.startOffset;
      while (offset < log.highWatermark) {
        const read = await log.read(offset, replayBytesPerTurnMax, true);
        if (read.errorCode !== errorCode.none || read.batches.length === 0) {
          throw new CoordinatorLogLost(`read at ${offset} gave error ${read.errorCode}`);
        }
        const from = offset;
        for (const run of read.batches) offset = await replayRun(run, offset, visit);
        // A read that holds nothing from there on would be asked for again, for ever.
        if (offset <= from) throw new CoordinatorLogLost(`read at ${from} led to ${offset}`);
        if (offset < log.highWatermark) await new Promise<void>((resolve) => clock.endOfTurn(resolve));
      }
    },
    endOffset: () => log.endOffset,
    async truncateBefore(offset: number): Promise<void> {
      await log.deleteRecords(offset);
    },
  };
}

/** Replays one or more whole batches. Returns the offset after them. */
async function replayRun(run: Uint8Array, from: number, visit: (record: LogRecord) => void): Promise<number> {
  const bytes = Buffer.from(run.buffer, run.byteOffset, run.length);
  let next = from;
  for (const at of batchesIn(bytes)) {
    const batch = bytes.subarray(at, at + batchSizeBytes(bytes, at));
    for (const { offset, key, value } of await decodeBatch(batch)) {
      if (offset >= from && key !== null) visit({ key, value });
    }
    next = lastOffset(batch, 0) + 1;
  }
  return next;
}
