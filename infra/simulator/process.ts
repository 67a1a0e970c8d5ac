/**
 * A simulated operating-system process. Its code runs in its own events, so it can be stopped between any two of them. Once
 * it is killed, none of its timers, callbacks and answers arrives any more, and its ports do nothing. While it is stopped
 * (SIGSTOP), they wait and arrive together when it continues, at the time of that moment.
 */
import type { Clock } from '../../engine/kernel/clock.ts';
import { below, type Random, seededRandom } from '../../engine/kernel/random.ts';
import { clockOf, type EventLoop, type Place, type SimEvent } from './event-loop.ts';

/** Clocks differ by up to ten of these: leases allow for that much. */
const driftStep = 0.001;
/** One in so many turns is long. */
const longOneOf = 3;
const turnSteps = 10;
/** From the end of a process until its parent has reaped it. */
const reapMsMax = 4;

export class SimProcess implements Place {
  readonly name: string;
  readonly pid: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly loop: EventLoop;
  isAlive = true;
  isStopped = false;
  /** When it last continued after a stop. */
  resumedAtMs = 0;
  /** From now on none of its system calls is in flight either. */
  isReaped = false;
  readonly #draws: Random;
  #held: SimEvent[] = [];
  readonly #onEnd = new Set<(reason: string) => void>();
  readonly #onReaped: (() => void)[] = [];

  /** `turnMsMax`: see WorldSettings. */
  constructor(loop: EventLoop, name: string, pid: number, seed: number, turnMsMax: number) {
    this.loop = loop;
    this.name = name;
    this.pid = pid;
    this.clock = clockOf(
      loop,
      this,
      1 + ((seed % 11) - 5) * driftStep,
      turnsOf(seededRandom(seed ^ 0x7a21), turnMsMax),
    );
    this.random = seededRandom(seed);
    this.#draws = seededRandom(seed ^ 0xa5a5a5);
  }

  get isRunning(): boolean {
    return this.isAlive && !this.isStopped;
  }

  holds(event: SimEvent): boolean {
    if (!this.isAlive) return true;
    if (!this.isStopped) return false;
    this.#held.push(event);
    return true;
  }

  /** Runs `fn` in this process, unless it has ended by then. */
  post(delayMs: number, fn: () => void): void {
    if (this.isAlive) this.loop.schedule(delayMs, fn, this);
  }

  /**
   * The answer of a system call. Most arrive in the event that ends the call, which saves an event; one in four in a
   * separate event, so that the process can also be stopped between the two.
   */
  answer<T>(call: Promise<T>, delayMs = 0): Promise<T> {
    return new Promise((resolve, reject) => {
      call.then(
        (value) => this.#told(delayMs, () => resolve(value)),
        (error: unknown) => this.#told(delayMs, () => reject(error as Error)),
      );
    });
  }

  #told(delayMs: number, fn: () => void): void {
    if (delayMs === 0 && this.isRunning && this.#draws.u32() % 4 > 0) {
      this.loop.place = this;
      fn();
    } else this.post(delayMs, fn);
  }

  /** process.exit, SIGKILL or a power cut: it runs no further instruction. */
  end(reason: string): void {
    if (!this.isAlive) return;
    this.isAlive = false;
    this.#held = [];
    for (const listener of this.#onEnd) listener(reason);
    this.loop.schedule(1 + (this.random.u32() % reapMsMax), () => {
      this.isReaped = true;
      for (const listener of this.#onReaped) listener();
    });
  }

  /** Called at the moment of the end, outside the process, unless the returned function was called before. */
  onEnd(listener: (reason: string) => void): () => void {
    this.#onEnd.add(listener);
    return () => void this.#onEnd.delete(listener);
  }

  onReaped(listener: () => void): void {
    if (this.isReaped) listener();
    else this.#onReaped.push(listener);
  }

  stop(): void {
    this.isStopped = true;
  }

  resume(): void {
    if (!this.isStopped) return;
    this.isStopped = false;
    this.resumedAtMs = this.loop.nowMs;
    const held = this.#held;
    this.#held = [];
    for (const event of held) this.loop.again(event);
  }
}

function turnsOf(random: Random, turnMsMax: number): () => number {
  if (turnMsMax === 0) return () => 0;
  return () => (below(random, longOneOf) > 0 ? 0 : (turnMsMax * (1 + below(random, turnSteps))) / turnSteps);
}

/** The result of a call of a dead process. */
export const never: Promise<never> = new Promise<never>(() => undefined);
