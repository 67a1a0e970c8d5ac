/**
 * The one source of order in a simulated world: a heap of events on a virtual clock. An event runs, then every promise
 * it settled runs to its end, then the next event comes; nothing else ever runs. The same seed therefore gives the same
 * history, whatever the machine is busy with.
 */
import { assert } from '../../engine/kernel/assert.ts';
import type { Clock, Timer } from '../../engine/kernel/clock.ts';
import { inMacrotask, runReady } from '../../engine/kernel/macrotask.ts';

/** Where an event happens: a process that may be dead (the event is dropped) or stopped (it waits). */
export interface Place {
  /** Takes the event over when it cannot happen at its time. */
  holds(event: SimEvent): boolean;
}

export class SimEvent implements Timer {
  readonly atMs: number;
  readonly order: number;
  readonly place: Place | undefined;
  /** Undefined once it is cancelled. */
  fn: (() => void) | undefined;

  constructor(atMs: number, order: number, place: Place | undefined, fn: (() => void) | undefined) {
    this.atMs = atMs;
    this.order = order;
    this.place = place;
    this.fn = fn;
  }

  cancel(): void {
    this.fn = undefined;
  }
}

const startMs = 1000;
/**
 * No timer expires at the moment in which it was set. One that waits for the rest of a deadline, which may be less than the
 * clock's numbers can resolve, would otherwise be set for ever.
 */
const timerMsMin = 0.001;
/** A world with this many events in one moment is spinning. */
const eventsAtOnceMax = 20_000;
/** Checking whether a run is over costs more than most events. */
const checkIntervalMs = 10;
/** Then Node's own events get a turn: timers, messages of the process that wants the result. */
const eventsPerTurn = 1000;
const wallStartMs = 1_700_000_000_000;

interface Run {
  readonly untilMs: number;
  readonly isOver: () => boolean;
  checkMs: number;
}

/** No failure of the world: nobody wants to see more of it. */
export class WorldStopped extends Error {}

export class EventLoop {
  #nowMs = startMs;
  #wallOffsetMs = wallStartMs - startMs;
  #order = 0;
  #atOnce = 0;
  readonly #heap: SimEvent[] = [];
  /** An exception that no code caught: in production it ends a process. */
  onThrow: (error: unknown, place: Place | undefined) => void = (error) => {
    throw error;
  };
  events = 0;
  /** Whether the world has shown enough: every run then ends with WorldStopped. */
  isEnough: () => boolean = () => false;
  /** Where the current event happens, and everything that follows from it. */
  place: Place | undefined;

  get nowMs(): number {
    return this.#nowMs;
  }

  get wallMs(): number {
    return Math.floor(this.#nowMs + this.#wallOffsetMs);
  }

  /** The wall clock of the whole machine jumps, the monotonic one does not. */
  jumpWall(ms: number): void {
    this.#wallOffsetMs += ms;
  }

  schedule(delayMs: number, fn: () => void, place?: Place): Timer {
    const event = new SimEvent(this.#nowMs + Math.max(0, delayMs), this.#order++, place, fn);
    push(this.#heap, event);
    return event;
  }

  /** A held event happens at this moment, after those already due. */
  again(event: SimEvent): void {
    push(this.#heap, new SimEvent(this.#nowMs, this.#order++, event.place, event.fn));
    event.cancel();
  }

  /** Runs events until `isOver` returns true after one, or until virtual time `untilMs`. Throws WorldStopped. */
  async run(untilMs: number, isOver: () => boolean = () => false): Promise<void> {
    const run = { untilMs, isOver, checkMs: this.#nowMs };
    while (!(await inMacrotask(() => this.#turn(run))));
    if (!isOver()) this.#nowMs = Math.max(this.#nowMs, untilMs);
  }

  /** Returns whether the run is over. Each event is followed by everything that it makes ready. */
  #turn(run: Run): boolean {
    for (let i = 0; i < eventsPerTurn; i++) {
      if (this.#nowMs >= run.checkMs) {
        if (this.isEnough()) throw new WorldStopped();
        if (run.isOver()) return true;
        run.checkMs = this.#nowMs + checkIntervalMs;
      }
      const next = this.#next(run.untilMs);
      if (!next) return true;
      if (next.place?.holds(next)) continue;
      this.events++;
      this.place = next.place;
      try {
        next.fn!();
      } catch (error) {
        this.onThrow(error, next.place);
      }
      runReady();
    }
    return false;
  }

  /** The next event, at whose time it now is; undefined when there is none by `untilMs`. */
  #next(untilMs: number): SimEvent | undefined {
    for (;;) {
      const next = this.#heap[0];
      if (!next || next.atMs > untilMs) return undefined;
      pop(this.#heap);
      if (!next.fn) continue;
      assert(next.atMs >= this.#nowMs, 'time never falls');
      this.#atOnce = next.atMs === this.#nowMs ? this.#atOnce + 1 : 0;
      assert(this.#atOnce < eventsAtOnceMax, 'time goes on');
      this.#nowMs = next.atMs;
      return next;
    }
  }

  /** The clock for everything outside a process: the world itself, and the clients. */
  clock(): Clock {
    return clockOf(this, undefined);
  }
}

/**
 * `rate`: how fast its monotonic clock runs. `turnMs`: how long a turn goes on from the moment when somebody waits for its
 * end; what arrives by then belongs to the same turn.
 */
export function clockOf(loop: EventLoop, place: Place | undefined, rate = 1, turnMs: () => number = () => 0): Clock {
  let turnEndsMs = -1;
  return {
    wallMs: () => loop.wallMs,
    monotonicMs: () => loop.nowMs * rate,
    after: (delayMs, fn) => loop.schedule(Math.max(timerMsMin, delayMs / rate), fn, place),
    endOfTurn(fn) {
      if (loop.nowMs >= turnEndsMs) turnEndsMs = loop.nowMs + turnMs();
      loop.schedule(turnEndsMs - loop.nowMs, fn, place);
    },
  };
}

function before(a: SimEvent, b: SimEvent): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

function push(heap: SimEvent[], event: SimEvent): void {
  let at = heap.push(event) - 1;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (!before(event, heap[parent]!)) break;
    heap[at] = heap[parent]!;
    at = parent;
  }
  heap[at] = event;
}

function pop(heap: SimEvent[]): void {
  const last = heap.pop()!;
  if (heap.length === 0) return;
  let at = 0;
  for (;;) {
    let child = at * 2 + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
    if (!before(heap[child]!, last)) break;
    heap[at] = heap[child]!;
    at = child;
  }
  heap[at] = last;
}
