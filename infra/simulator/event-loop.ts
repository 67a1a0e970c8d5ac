/**
 * The one source of order in a simulated world: a heap of events on a virtual clock. An event runs, then every promise
 * it settled runs to its end, then the next event comes; nothing else ever runs. The same seed therefore gives the same
 * history, whatever the machine is busy with.
 */
import { assert } from '../../engine/kernel/assert.ts';
import type { Clock, Timer } from '../../engine/kernel/clock.ts';
import { settled } from '../../engine/kernel/settled.ts';

/** Where an event happens: a process that may be dead (the event is dropped) or stopped (it waits). */
export interface Place {
  /** Takes the event over when it cannot happen at its time. */
  holds(event: SimEvent): boolean;
}

export interface SimEvent {
  readonly atMs: number;
  readonly order: number;
  readonly place: Place | undefined;
  /** Undefined once it is cancelled. */
  fn: (() => void) | undefined;
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
const wallStartMs = 1_700_000_000_000;

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
    const event: SimEvent = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, place, fn };
    push(this.#heap, event);
    return {
      cancel: () => {
        event.fn = undefined;
      },
    };
  }

  /** A held event happens at this moment, after those already due. */
  again(event: SimEvent): void {
    push(this.#heap, { ...event, atMs: this.#nowMs, order: this.#order++ });
    event.fn = undefined;
  }

  /** Runs events until `isOver` returns true after one, or until virtual time `untilMs`. */
  async run(untilMs: number, isOver: () => boolean = () => false): Promise<void> {
    await settled();
    let checkMs = this.#nowMs;
    while (this.#nowMs < checkMs || !isOver()) {
      if (this.#nowMs >= checkMs) checkMs = this.#nowMs + checkIntervalMs;
      const next = this.#heap[0];
      if (!next || next.atMs > untilMs) break;
      pop(this.#heap);
      const { fn } = next;
      if (!fn) continue;
      assert(next.atMs >= this.#nowMs, 'time never falls');
      this.#atOnce = next.atMs === this.#nowMs ? this.#atOnce + 1 : 0;
      assert(this.#atOnce < eventsAtOnceMax, 'time goes on');
      this.#nowMs = next.atMs;
      if (next.place?.holds(next)) continue;
      this.events++;
      this.place = next.place;
      try {
        fn();
      } catch (error) {
        this.onThrow(error, next.place);
      }
      await settled();
    }
    if (!isOver()) this.#nowMs = Math.max(this.#nowMs, untilMs);
  }

  /** The clock for everything outside a process: the world itself, and the clients. */
  clock(): Clock {
    return clockOf(this, undefined);
  }
}

/** `rate`: how fast its monotonic clock runs. */
export function clockOf(loop: EventLoop, place: Place | undefined, rate = 1): Clock {
  return {
    wallMs: () => loop.wallMs,
    monotonicMs: () => loop.nowMs * rate,
    after: (delayMs, fn) => loop.schedule(Math.max(timerMsMin, delayMs / rate), fn, place),
    endOfTurn: (fn) => void loop.schedule(0, fn, place),
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
