/**
 * The CPU time of processes and of the machine, read from /proc. CPU time per operation is what a shared machine cannot
 * spoil: pre-emption makes a run longer, not dearer. Foreign load and steal show which rounds to discard.
 */
import { readdirSync, readFileSync } from 'node:fs';

/** USER_HZ: fixed at 100 on every Linux that Node runs on. */
const ticksPerSecond = 100;

/** User and system seconds of a process, including its threads. 0 when it is gone. */
export function processSeconds(pid: number): number {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return 0;
  }
  // The command may hold blanks and brackets: fields are counted from the last closing bracket.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

export interface MachineTimes {
  readonly busySeconds: number;
  readonly stealSeconds: number;
}

export function machineTimes(): MachineTimes {
  const line = readFileSync('/proc/stat', 'latin1').split('\n', 1)[0]!;
  const [user, nice, system, , , irq, softirq, steal] = line.trim().split(/\s+/).slice(1).map(Number);
  return {
    busySeconds: (user! + nice! + system! + irq! + softirq!) / ticksPerSecond,
    stealSeconds: steal! / ticksPerSecond,
  };
}

/** Direct children, for the brokers of a server. */
export function childrenOf(pid: number): number[] {
  const found: number[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const text = readFileSync(`/proc/${name}/stat`, 'latin1');
      const parent = Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[1]);
      if (parent === pid) found.push(Number(name));
    } catch {
      // It ended during the check.
    }
  }
  return found;
}

/** Resident memory in bytes, without what it shares with files. */
export function residentBytes(pid: number): number {
  const text = readFileSync(`/proc/${pid}/status`, 'latin1');
  return Number(/^RssAnon:\s+(\d+) kB/m.exec(text)?.[1] ?? 0) * 1024;
}
