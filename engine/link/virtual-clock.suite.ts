/** A clock that a test moves by hand: timers and turn ends run only inside `settle` and `advance`, in a fixed order. */
import { type Clock, systemClock, type Timer } from '../kernel/clock.ts';

interface Alarm {
  readonly atMs: number;
  readonly fn: () => void;
}

export class VirtualClock implements Clock {
  #nowMs = 1_000_000;
  #alarms: Alarm[] = [];
  #turn: (() => void)[] = [];

  wallMs(): number {
    return this.#nowMs;
  }
  monotonicMs(): number {
    return this.#nowMs;
  }
  after(delayMs: number, fn: () => void): Timer {
    const alarm = { atMs: this.#nowMs + Math.max(delayMs, 0), fn };
    const at = this.#alarms.findIndex((other) => other.atMs > alarm.atMs);
    this.#alarms.splice(at < 0 ? this.#alarms.length : at, 0, alarm);
    return {
      cancel: () => {
        this.#alarms = this.#alarms.filter((other) => other !== alarm);
      },
    };
  }
  endOfTurn(fn: () => void): void {
    this.#turn.push(fn);
  }

  /** Runs promises and turns until nothing more happens without time passing. */
  async settle(): Promise<void> {
    for (;;) {
      await new Promise<void>((resolve) => systemClock.endOfTurn(resolve));
      const turn = this.#turn;
      if (turn.length === 0) return;
      this.#turn = [];
      for (const fn of turn) fn();
    }
  }

  async advance(ms: number): Promise<void> {
    const targetMs = this.#nowMs + ms;
    await this.settle();
    for (;;) {
      const next = this.#alarms[0];
      if (!next || next.atMs > targetMs) break;
      this.#alarms.shift();
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.fn();
      await this.settle();
    }
    this.#nowMs = targetMs;
    await this.settle();
  }
}
