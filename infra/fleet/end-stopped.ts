/**
 * Brokers that outlive their controllers, and are stopped (SIGSTOP, a freezer) when a controller or gateway starts. All
 * processes of an installation write to one metadata store, under one lock, and a process stopped in the middle of a commit
 * holds that lock. The next one to open the store would wait for it on its only thread, for ever. So a starting process
 * kills such processes before it opens the store. A controller would do the same a moment later (hang.ts), by the same
 * rule: a process that stays stopped is killed, and one that was stopped only for a moment continues.
 */
import { type Clock, sleep } from '../../engine/kernel/clock.ts';
import { stoppedMsMax } from './hang.ts';
import type { BrokerHome } from './leftovers.ts';
import { notedBrokers } from './noted-brokers.ts';
import { isGone, processStateNow, signalProcess } from './process-state.ts';

const lookIntervalMs = 10;
const goneWaitMsMax = 2000;

/**
 * Resolves with the ids of the killed processes, when they are gone or the wait is over. Without /proc it finds none.
 *
 * @param program The script that detached brokers run.
 */
export async function endStopped(home: BrokerHome, program: string, clock: Clock): Promise<number[]> {
  const isStopped = (pid: number): boolean => processStateNow(pid) === 'T';
  let stopped = notedBrokers(home, program).filter(isStopped);
  const lookedMs = clock.monotonicMs();
  while (stopped.length > 0 && clock.monotonicMs() - lookedMs < stoppedMsMax) {
    await sleep(clock, lookIntervalMs);
    stopped = stopped.filter(isStopped);
  }
  await killAll(stopped, clock);
  return stopped;
}

/** Resolves when they are gone or the wait is over. */
export async function killAll(pids: readonly number[], clock: Clock): Promise<void> {
  for (const pid of pids) if (!isGone(pid)) signalProcess(pid, 'SIGKILL');
  const deadlineMs = clock.monotonicMs() + goneWaitMsMax;
  while (!pids.every(isGone) && clock.monotonicMs() < deadlineMs) await sleep(clock, lookIntervalMs);
}
