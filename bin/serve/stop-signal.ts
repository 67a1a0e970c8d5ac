/** How the program ends: in order when it is asked to or cannot go on, at once when that is asked twice or takes too long. */
import { systemClock } from '../../engine/kernel/clock.ts';
import { endAtOnce } from '../broker/end-at-once.ts';

/** Of a program that cannot go on: what it waits for may never come. */
const brokenStopMsMax = 20_000;

let stopInOrder: (() => Promise<void>) | undefined;
let isStopping = false;

/** Ctrl-C and SIGTERM end the program in order; a second one ends it at once. */
export function onStopSignal(stop: () => Promise<void>): void {
  stopInOrder = stop;
  const signalled = (signal: NodeJS.Signals): void => {
    if (isStopping) endAtOnce();
    end(`${signal}: finishing what is under way`, stop, 0);
  };
  process.on('SIGINT', signalled);
  process.on('SIGTERM', signalled);
}

/** For its supervisor to start another. Before it serves there is nothing to finish. */
export function endBroken(reason: string): void {
  if (isStopping) return;
  const text = `${reason}; the program ends with code 1, to be started again`;
  // Timers of what is stopped may be all that keeps the process alive.
  systemClock.after(brokenStopMsMax, endAtOnce);
  end(text, stopInOrder ?? (() => Promise.resolve()), 1);
}

function end(text: string, stop: () => Promise<void>, code: number): void {
  isStopping = true;
  process.stderr.write(`headgate: ${text}\n`);
  stop().then(
    () => process.exit(code),
    (error: unknown) => {
      process.stderr.write(`headgate: ${error instanceof Error ? (error.stack ?? error.message) : error}\n`);
      endAtOnce();
    },
  );
}
