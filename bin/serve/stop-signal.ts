import { endAtOnce } from '../broker/end-at-once.ts';

/** Ctrl-C and SIGTERM stop the program cleanly; a second one ends it at once. */
export function onStopSignal(stop: () => Promise<void>): void {
  let stopping = false;
  const signalled = (signal: NodeJS.Signals): void => {
    if (stopping) endAtOnce();
    stopping = true;
    process.stderr.write(`headgate: ${signal}: finishing work in progress\n`);
    stop().then(
      () => process.exit(0),
      (error: unknown) => {
        process.stderr.write(`headgate: ${error instanceof Error ? (error.stack ?? error.message) : error}\n`);
        endAtOnce();
      },
    );
  };
  process.on('SIGINT', signalled);
  process.on('SIGTERM', signalled);
}
