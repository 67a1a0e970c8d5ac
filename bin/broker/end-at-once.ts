import { closeSync } from 'node:fs';

/**
 * Ends this process as SIGKILL does. process.exit() would wait for the threads of addons. At that moment the metadata
 * store's writer may be in the middle of a transaction and wait for this very thread, while it holds the lock of all
 * processes. Then neither would ever continue, and no process could write again. The lock of a killed holder is taken over.
 */
export function endAtOnce(): never {
  process.kill(process.pid, 'SIGKILL');
  // The first process of a container takes no signal from itself, but cannot outlive this fault. Node's report of it is of no
  // use to anybody.
  try {
    closeSync(2);
  } catch {
    // It was closed before.
  }
  return process.abort();
}

/** The metadata store refuses this process permanently and may have corrupted its heap: nothing is completed any more. */
export function endOnPanic(reason: string): never {
  process.stderr.write(`headgate: ${reason}: this process exits so that it can be started again\n`);
  return endAtOnce();
}

/**
 * An uncaught bug: prints its stack and ends the process. A failed write to the output (outliveOutput) is not such a bug.
 */
export function endOnBug(): void {
  outliveOutput();
  process.on('uncaughtException', (error) => {
    process.stderr.write(`${error.stack ?? error.message}\n`);
    endAtOnce();
  });
}

/** The log's disk may be full, or its reader gone. The text is then lost, and records are still served. */
function outliveOutput(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
}
