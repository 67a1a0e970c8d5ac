/** Ctrl-C and SIGTERM end the program in order; a second one ends it at once. */
export function onStopSignal(stop: () => Promise<void>): void {
  let stopping = false;
  const signalled = (signal: NodeJS.Signals): void => {
    if (stopping) process.exit(signal === 'SIGINT' ? 130 : 143);
    stopping = true;
    process.stderr.write(`headgate: ${signal}: finishing what is under way\n`);
    stop().then(
      () => process.exit(0),
      (error: unknown) => {
        process.stderr.write(`headgate: ${error instanceof Error ? (error.stack ?? error.message) : error}\n`);
        process.exit(1);
      },
    );
  };
  process.on('SIGINT', signalled);
  process.on('SIGTERM', signalled);
}
