/** How many files and sockets the system lets this process have open. Node has raised its limit as far as it may by itself. */
import { readFileSync } from 'node:fs';

/** Where there is none. */
const unlimitedFiles = 2 ** 20;

export function openFilesMax(): number {
  try {
    return parseLimits(readFileSync('/proc/self/limits', 'utf8'));
  } catch {
    // Not on Linux: a report takes Node 40 ms, for much that is not wanted.
    const { userLimits } = process.report.getReport() as { userLimits?: { open_files?: { soft: unknown } } };
    const soft = Number(userLimits?.open_files?.soft);
    return soft > 0 ? Math.min(soft, unlimitedFiles) : unlimitedFiles;
  }
}

/** proc_pid_limits(5): name, soft limit, hard limit, unit. */
function parseLimits(text: string): number {
  const soft = Number(/^Max open files\s+(\S+)/m.exec(text)?.[1]);
  return soft > 0 ? Math.min(soft, unlimitedFiles) : unlimitedFiles;
}
