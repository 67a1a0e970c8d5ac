/**
 * Broker processes that outlive their parent. A child whose parent dies sees its channel close and ends; one that was
 * stopped (SIGSTOP) at that moment sees nothing, and may wake at any time with its session's rights. The next parent must
 * not fence a process that may still write, so it would have to wait for the lease. Instead it kills such a process here,
 * before it opens the metadata store, whose lock a stopped process may hold.
 *
 * The identity of that process must be certain. Each broker carries a mark in its environment, which the kernel keeps as it
 * was at the start of the program: its parent's id and the data folder. (The command line is overwritten by the title.) A
 * note (notes.ts) says where to look. A process is a leftover when it
 *
 *   lives in our namespace of process ids    ids of another namespace mean other processes
 *   carries the mark of this very folder     so that a process which was given an old id is not touched
 *   has another parent than it was born to   the kernel reparents only the children of the dead
 *
 * Possible races, while the caller holds the folder's lock, so that no other parent starts processes for it:
 *
 *   a parent that is stopped                it holds the lock: nobody comes here
 *   a parent that is just dying             its lock goes before its children are reparented. They look like those of a
 *                                           living parent for a moment, are left alone, and end by themselves or by lease
 *   SIGCONT between check and kill          the process sees its parent gone and ends itself: the same
 *   the process ends before the kill        its id is free, but ids are assigned in order: it would have to be this one's
 *                                           turn within these microseconds. During the check, its start time tells the
 *                                           two apart
 *   it is killed in a system call           a write that the disk delays is not over with the signal. It is gone when the
 *                                           kernel has ended its last thread (isGone), and only then: until then, and for
 *                                           longer than the wait here, its session is left to its lease
 *   it is killed with the store's lock      as whenever a broker is killed: the next one takes the lock over
 *
 * From then on its session is that of a child which was killed and reaped (replace.ts asks isGone). Without /proc nothing
 * is found, and the lease decides.
 */
import { readFileSync } from 'node:fs';
import { type Clock, sleep } from '../../engine/kernel/clock.ts';
import { forgetProcess, notedProcesses } from './notes.ts';
import { isGone, originNow, pidNamespace, signalProcess } from './process-state.ts';

export interface BrokerHome {
  /** The data folder, as its brokers name it. */
  readonly data: string;
  /** The folder of the notes. */
  readonly notes: string;
}

const markName = 'HEADGATE_BROKER_OF';
const goneWaitMsMax = 2000;
const goneLookIntervalMs = 5;

/** For the environment of a child of this process. */
export function brokerMark({ data }: BrokerHome): Record<string, string> {
  return { [markName]: `${process.pid} ${data}` };
}

/** Resolves with the ids of the killed processes, when they are gone or the wait is over. */
export async function endLeftovers(home: BrokerHome, clock: Clock): Promise<number[]> {
  const killed = new Map<number, string>();
  for (const pid of notedProcesses(home.notes, 'process')) {
    const found = isGone(pid) ? undefined : brokerAt(home, pid);
    if (!found) forgetProcess(home.notes, 'process', pid);
    else if (found.isLeftover && signalProcess(pid, 'SIGKILL')) killed.set(pid, found.startTicks);
  }
  const deadlineMs = clock.monotonicMs() + goneWaitMsMax;
  // When it ends, its environment disappears first and its start time last.
  const isThere = ([pid, startTicks]: [number, string]): boolean =>
    !isGone(pid) && originNow(pid)?.startTicks === startTicks;
  while ([...killed].some(isThere) && clock.monotonicMs() < deadlineMs) await sleep(clock, goneLookIntervalMs);
  return [...killed.keys()];
}

interface FoundBroker {
  readonly isLeftover: boolean;
  readonly startTicks: string;
}

/** A broker of this home, whoever started it; undefined for every other process, and where the system does not say. */
function brokerAt({ data }: BrokerHome, pid: number): FoundBroker | undefined {
  try {
    const before = originNow(pid);
    const namespace = pidNamespace(pid);
    if (namespace === '' || namespace !== pidNamespace()) return undefined;
    const environment = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
    const mark = environment.find((each) => each.startsWith(`${markName}=`))?.slice(markName.length + 1) ?? '';
    const bornTo = Number.parseInt(mark, 10);
    if (mark !== `${bornTo} ${data}`) return undefined;
    const origin = originNow(pid);
    if (!origin || origin.startTicks !== before?.startTicks) return undefined;
    const isLeftover = bornTo !== process.pid && origin.parent !== bornTo;
    return { isLeftover, startTicks: origin.startTicks };
  } catch {
    return undefined;
  }
}
