/**
 * How many files and sockets the system lets this process have open. Node itself has already raised its limit as far as
 * allowed.
 */
import { readFileSync } from 'node:fs';
import { InvalidRequest } from '../../engine/kernel/failure.ts';

/** Used where there is no limit. */
const unlimitedFiles = 2 ** 20;

export function openFilesMax(): number {
  try {
    return parseLimits(readFileSync('/proc/self/limits', 'utf8'));
  } catch {
    // Not on Linux: a report takes Node 40 ms, mostly for data we do not need.
    const { userLimits } = process.report.getReport() as { userLimits?: { open_files?: { soft: unknown } } };
    const soft = Number(userLimits?.open_files?.soft);
    return soft > 0 ? Math.min(soft, unlimitedFiles) : unlimitedFiles;
  }
}

/** The gateway itself has some 50 open, and a broker some 30. With this many there is room for a few clients. */
const openFilesMin = 128;

/** Throws InvalidRequest. With fewer the start would fail wherever they run out, or the first clients would be refused. */
export function checkOpenFiles(filesMax: number): void {
  if (filesMax >= openFilesMin) return;
  throw new InvalidRequest('open-files', tooFewFiles(filesMax));
}

export function tooFewFiles(filesMax: number): string {
  return `this process may have ${filesMax} files open: allow at least ${openFilesMin}, and one more for each connection (ulimit -n, LimitNOFILE)`;
}

/** proc_pid_limits(5): name, soft limit, hard limit, unit. */
function parseLimits(text: string): number {
  const soft = Number(/^Max open files\s+(\S+)/m.exec(text)?.[1]);
  return soft > 0 ? Math.min(soft, unlimitedFiles) : unlimitedFiles;
}
