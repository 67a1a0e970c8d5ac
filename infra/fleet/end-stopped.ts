/**
 * Brokers that outlive their controllers, and are stopped (SIGSTOP, a freezer) when the next controller starts. All processes
 * of an installation write to one metadata store, under one lock, and who is stopped in the middle of a commit has that lock
 * in its hand: the next one to open the store waits for it on its only thread, for good. So a controller ends such processes
 * before it opens the store. That is no more than it would do a moment later (hang.ts), by the same rule: a process that stays
 * stopped is killed, and one that somebody held up for a moment goes on.
 */
import { basename } from 'node:path';
import { type Clock, sleep } from '../../engine/kernel/clock.ts';
import { commandLine } from './command-line.ts';
import { stoppedMsMax } from './hang.ts';
import type { BrokerHome } from './leftovers.ts';
import { forgetProcess, notedProcesses } from './notes.ts';
import { isGone, processStateNow } from './process-state.ts';

const lookIntervalMs = 10;
const goneWaitMsMax = 2000;

/**
 * Resolves with the ids of those that were killed, when they are gone or the wait for it is over. Without /proc nothing is
 * found.
 *
 * @param program The script that detached brokers run.
 */
export async function endStopped({ data, notes }: BrokerHome, program: string, clock: Clock): Promise<number[]> {
  const isStopped = (pid: number): boolean => processStateNow(pid) === 'T';
  let stopped = notedProcesses(notes, 'detached').filter((pid) => {
    if (isGone(pid)) forgetProcess(notes, 'detached', pid);
    return isStopped(pid) && isBrokerOf(data, program, pid);
  });
  const lookedMs = clock.monotonicMs();
  while (stopped.length > 0 && clock.monotonicMs() - lookedMs < stoppedMsMax) {
    await sleep(clock, lookIntervalMs);
    stopped = stopped.filter(isStopped);
  }
  for (const pid of stopped) process.kill(pid, 'SIGKILL');
  const deadlineMs = clock.monotonicMs() + goneWaitMsMax;
  while (!stopped.every(isGone) && clock.monotonicMs() < deadlineMs) await sleep(clock, lookIntervalMs);
  return stopped;
}

/** By the words that it was started with, wherever the program lay then. */
function isBrokerOf(data: string, program: string, pid: number): boolean {
  const line = `${commandLine(pid)} `;
  return line.includes(`/${basename(program)} `) && line.includes(` --data=${data} `);
}
