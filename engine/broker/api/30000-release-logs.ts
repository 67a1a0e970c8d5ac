/**
 * ReleaseLogs (key 30000) and CloseLogs (key 30001), Headgate's own: the controller takes logs away, for a planned move
 * or because their topic was deleted. A log that is not open here counts as released. After an error the logs are not
 * released: this broker serves them.
 */
import { Failure } from '../../kernel/failure.ts';
import type { LogStore, PartitionLog } from '../../log/log.ts';
import { errorCode } from '../../protocol/error-codes.ts';
import type { ReleaseLogsRequest, ReleaseLogsResponse } from '../../protocol/messages/30000-release-logs.ts';
import type { CloseLogsRequest, CloseLogsResponse } from '../../protocol/messages/30001-close-logs.ts';
import type { Ownership } from '../ownership.ts';

/** Above every epoch that a placement row can contain. */
const anyEpoch = 0x7fff_ffff;

export async function releaseLogs(
  ownership: Ownership,
  closing: (log: PartitionLog) => Promise<void>,
  request: ReleaseLogsRequest,
): Promise<ReleaseLogsResponse> {
  const code = await outcome(() => ownership.release(request.logs, closing));
  return { logs: request.logs.map(({ topicId, partition }) => ({ topicId, partition, errorCode: code })) };
}

export async function closeLogs(
  store: LogStore,
  ownership: Ownership,
  closing: (log: PartitionLog) => Promise<void>,
  request: CloseLogsRequest,
): Promise<CloseLogsResponse> {
  const open: PartitionLog[] = [];
  const codes = await Promise.all(
    request.logs.map(({ topicId, partition }) =>
      outcome(async () => {
        await ownership.delete(topicId, partition);
        // A log that nobody has used since it came here still has rows and segments: open it to remove them.
        const log = store.get(topicId, partition) ?? (await store.open(topicId, partition, anyEpoch, {}));
        await closing(log);
        open.push(log);
      }),
    ),
  );
  const forgotten = await outcome(() => store.forget(open));
  const logs = request.logs.map(({ topicId, partition }, index) => {
    return { topicId, partition, errorCode: codes[index] === errorCode.none ? forgotten : codes[index]! };
  });
  return { logs };
}

async function outcome(act: () => Promise<void>): Promise<number> {
  try {
    await act();
    return errorCode.none;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const isOthers = error.code === 'fenced' || error.code === 'not-owner';
    return isOthers ? errorCode.notLeaderOrFollower : errorCode.kafkaStorageError;
  }
}
