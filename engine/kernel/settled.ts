/**
 * For those who run the system on a clock of their own: the end of all that is ready by now.
 *
 * Each pass of Node's event loop asks the kernel what has happened, which costs more than most of what a simulated world does
 * between two of them. Immediates that are set together share one pass, and Node runs every microtask, and tells of every
 * rejection that nobody handles, between any two of them.
 */
const immediatesPerPass = 64;

let left = 0;
let waiting: (() => void)[] = [];

/** Resolves when every microtask that is ready has run, as a macrotask of its own would. */
export function settled(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve);
    if (left > 0) return;
    left = immediatesPerPass;
    for (let i = 0; i < immediatesPerPass; i++) setImmediate(next);
  });
}

function next(): void {
  left--;
  const resolves = waiting;
  if (resolves.length === 0) return;
  waiting = [];
  for (const resolve of resolves) resolve();
}
