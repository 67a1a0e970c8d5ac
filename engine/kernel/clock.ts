/**
 * Time is handed in, so that production code runs unchanged under the seeded simulator. Only this file touches the
 * ambient timers; a test forbids them elsewhere.
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
  /** Calls `fn` after the I/O callbacks of this event-loop turn: the moment at which a turn's work is flushed. */
  endOfTurn(fn: () => void): void;
}

export const systemClock: Clock = {
  wallMs: () => Date.now(),
  // hrtime, not performance.now: its zero is the machine's boot, so a lease means the same in every process.
  monotonicMs: () => {
    const [s, ns] = process.hrtime();
    return s * 1e3 + ns / 1e6;
  },
  after(delayMs, fn, background) {
    const handle = setTimeout(fn, delayMs);
    if (background) handle.unref();
    return { cancel: () => clearTimeout(handle) };
  },
  endOfTurn(fn) {
    setImmediate(fn);
  },
};

/** Resolves after `delayMs` on `clock`. */
export function sleep(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => clock.after(delayMs, resolve));
}
