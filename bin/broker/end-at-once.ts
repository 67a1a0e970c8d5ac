/**
 * Ends this process as SIGKILL does. Not by process.exit(), which waits for the threads of addons: the metadata store's
 * writer may at that moment be in the middle of a transaction and wait for this very thread, with the lock of all
 * processes in its hand. Neither ever goes on, and nobody else writes again. A killed holder's lock is taken over.
 */
export function endAtOnce(): never {
  process.kill(process.pid, 'SIGKILL');
  throw new Error('a process that was killed goes on');
}

/** The metadata store refuses this process for good, and may have left it a corrupt heap: nothing is finished any more. */
export function endOnPanic(reason: string): never {
  process.stderr.write(`headgate: ${reason}: this process exits so that it can be started again\n`);
  return endAtOnce();
}

/** A bug that nobody caught: its stack, then the end. That nobody takes what is said of it all (outliveOutput) is none. */
export function endOnBug(): void {
  outliveOutput();
  process.on('uncaughtException', (error) => {
    process.stderr.write(`${error.stack ?? error.message}\n`);
    endAtOnce();
  });
}

/** The disk of the log is full, or who reads it has gone: what is said then is lost, and records are served all the same. */
function outliveOutput(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
}
