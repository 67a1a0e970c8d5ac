/** SIGSTOP, and the locks and work that a process holds at that moment. */
import { join } from 'node:path';
import { vi } from 'vitest';
import { processOfThread, processStateNow } from '../../infra/fleet/process-state.ts';
import { WriterLock } from '../../tenancy/store/lmdb-lock.ts';
import { stopInCommit } from '../soak/stop-in-commit.ts';

/** They renew their leases. */
const commitWaitMsMax = 20_000;
const untilMsMax = 60_000;

/** With the lock of the metadata store, as the system says: `commits` sees to it that it writes. */
export async function stopWithLock(data: string, pid: number, commits: () => Promise<unknown>): Promise<void> {
  await until(async () => {
    const committing = commits();
    await stopInCommit(data, [pid], commitWaitMsMax);
    if (await isStoppedWithLock(data, pid)) return true;
    process.kill(pid, 'SIGCONT');
    await committing.catch(() => undefined);
    return false;
  });
}

/** Without it: with the lock it would be killed by others. */
export async function stopWithoutLock(data: string, pid: number): Promise<void> {
  await until(async () => {
    process.kill(pid, 'SIGSTOP');
    if (!(await isStoppedWithLock(data, pid))) return true;
    process.kill(pid, 'SIGCONT');
    return false;
  });
}

async function until(attempt: () => Promise<boolean>): Promise<void> {
  await vi.waitUntil(attempt, { timeout: untilMsMax, interval: 5 });
}

/** The signal is pending at first: until it arrives the process may take the lock, or release it. */
async function isStoppedWithLock(data: string, pid: number): Promise<boolean> {
  await vi.waitUntil(() => processStateNow(pid) === 'T', { timeout: untilMsMax, interval: 5 });
  const holder = new WriterLock(join(data, 'meta')).holder();
  return holder !== undefined && processOfThread(holder.thread) === pid;
}
