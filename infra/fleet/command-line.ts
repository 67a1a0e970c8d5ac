/** The command line with which another process was started. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** The arguments of a process, by spaces; empty when they cannot be read. */
export function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    // Not Linux.
  }
  try {
    return execFileSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' });
  } catch {
    return '';
  }
}
