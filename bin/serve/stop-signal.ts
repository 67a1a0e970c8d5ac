/** What signals do to `headgate serve`, from its start to its end. */
import { isatty } from 'node:tty';
import { endAtOnce } from '../broker/end-at-once.ts';

const stopSignals = ['SIGINT', 'SIGTERM'] as const;

/**
 * Until `onStopSignal`, Ctrl-C and SIGTERM end the program as they would by themselves. Only the first process of a
 * container would not notice them without a listener, and would have to be killed after a start that does not succeed.
 */
export function endOnStopSignal(): void {
  for (const signal of stopSignals) process.on(signal, endBySignal);
}

function endBySignal(signal: NodeJS.Signals): void {
  process.off(signal, endBySignal);
  // For a service manager that is a clean end.
  process.kill(process.pid, signal);
  endAtOnce();
}

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
  for (const signal of stopSignals) {
    process.on(signal, signalled);
    process.off(signal, endBySignal);
  }
}

const standardStreams = [0, 1, 2];

/**
 * SIGHUP tells a program that its terminal is gone, and asks a daemon to read its files again (gateway/tls-files.ts). So only
 * a program whose terminal is gone stops. Node would end at once, also under nohup: it resets ignored signals at its start.
 */
export function outliveHangUps(): void {
  const terminals = standardStreams.filter((stream) => isatty(stream));
  process.on('SIGHUP', () => {
    if (isTerminalGone(terminals, isatty)) process.kill(process.pid, 'SIGTERM');
  });
}

/** `terminals`: the standard streams that were terminals at the start. A terminal that hung up is none any more. */
export function isTerminalGone(terminals: readonly number[], isTerminal: (stream: number) => boolean): boolean {
  return terminals.length > 0 && !terminals.some((stream) => isTerminal(stream));
}
