/** Stops processes, usually while one of them holds the lock of the metadata store. */
import { once } from 'node:events';
import { watch } from 'node:fs';
import { join } from 'node:path';

/**
 * Resolves when all are stopped: as soon as one of them, or another writer, has begun to write a commit. Rejects if
 * none does in time.
 */
export async function stopInCommit(data: string, pids: readonly number[], waitMsMax: number): Promise<void> {
  const watcher = watch(join(data, 'meta', 'data.mdb'));
  try {
    await once(watcher, 'change', { signal: AbortSignal.timeout(waitMsMax) });
    for (const pid of pids) process.kill(pid, 'SIGSTOP');
  } finally {
    watcher.close();
  }
}
