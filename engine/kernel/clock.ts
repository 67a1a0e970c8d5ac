/**
 * Time is passed in, so that production code runs unchanged under the seeded simulator. Only this file touches the ambient
 * timers; a test forbids them elsewhere.
 */
export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Milliseconds since the Unix epoch: record timestamps and rows for people. May jump. */
  wallMs(): number;
  /** Milliseconds of CLOCK_MONOTONIC, shared by all processes of one machine: leases, deadlines, waits. Never falls. */
  monotonicMs(): number;
  /** Calls `fn` once after `delayMs`. `background` timers do not keep the process alive. */
  after(delayMs: number, fn: () => void, background?: 'background'): Timer;
  /** Calls `fn` after the I/O callbacks of this event-loop turn: the moment when a turn's work is flushed. */
  endOfTurn(fn: () => void): void;
}

/**
 * The longest delay the system's timers accept; a longer one would fire at once. Clients send 2^31 - 1 ms to mean "as long
 * as it takes".
 */
const delayMsMax = 0x7fff_ffff;

export const systemClock: Clock = {
  wallMs: () => Date.now(),
  // hrtime, not performance.now: hrtime counts from the machine's boot, so a lease means the same in every process.
  monotonicMs: () => {
    const [s, ns] = process.hrtime();
    return s * 1e3 + ns / 1e6;
  },
  after(delayMs, fn, background) {
    const handle = setTimeout(fn, Math.min(delayMs, delayMsMax));
    if (background) handle.unref();
    return { cancel: () => clearTimeout(handle) };
  },
  endOfTurn(fn) {
    if (turnEnd.waiting.push(fn) === 1 && !turnEnd.isRunning) setImmediate(endTurn);
  },
};

/**
 * Work that the end of a turn triggers is flushed in the same end of turn if possible. A request passes the producer, the
 * router and the socket, and each gathers until the turn ends; without this, the request would need three turns of the
 * event loop to leave. The rounds are bounded, so that a callback that keeps asking for another turn lets I/O happen in
 * between. Code that awaits a promise for the end of the turn continues after all rounds, and so in a turn of its own.
 */
const roundsPerTurnMax = 5;

const turnEnd: { waiting: (() => void)[]; isRunning: boolean } = { waiting: [], isRunning: false };

function endTurn(): void {
  turnEnd.isRunning = true;
  let round: (() => void)[] = [];
  let next = 0;
  try {
    for (let rounds = 0; rounds < roundsPerTurnMax && turnEnd.waiting.length > 0; rounds++) {
      round = turnEnd.waiting;
      turnEnd.waiting = [];
      for (next = 0; next < round.length; ) round[next++]!();
    }
  } finally {
    // After a throw, which ends the process or is caught by somebody, the other callbacks still get their turn.
    turnEnd.waiting.unshift(...round.slice(next));
    turnEnd.isRunning = false;
    if (turnEnd.waiting.length > 0) setImmediate(endTurn);
  }
}

/** Resolves in the next turn: requests that have arrived by then are served first. */
export function nextTurn(clock: Clock): Promise<void> {
  return new Promise<void>((resolve) => clock.endOfTurn(resolve));
}

/** Resolves after `delayMs` on `clock`. */
export function sleep(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => clock.after(delayMs, resolve));
}
