/**
 * For code that runs the system on its own clock: waits until everything that is ready has run.
 *
 * Each pass of Node's event loop asks the kernel what has happened, and that costs more than most of what a simulated world
 * does between two passes. Immediates that are set together share one pass. Between any two of them Node runs every
 * microtask and reports every unhandled rejection.
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
