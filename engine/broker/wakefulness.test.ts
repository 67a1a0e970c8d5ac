import { expect, it } from 'vitest';
import type { Clock } from '../kernel/clock.ts';
import { Wakefulness } from './wakefulness.ts';

const renewIntervalMs = 300;

/** A process whose time passes with its timers, or without them while it is stopped. */
class Stoppable {
  nowMs = 1000;
  validUntilMs = 2500;
  #due: { readonly atMs: number; readonly fn: () => void } | undefined;
  readonly wakefulness: Wakefulness;

  constructor() {
    const clock: Partial<Clock> = {
      monotonicMs: () => this.nowMs,
      after: (delayMs, fn) => {
        this.#due = { atMs: this.nowMs + delayMs, fn };
        return { cancel: () => undefined };
      },
    };
    const lease = { renewIntervalMs, mayAck: (nowMs: number) => nowMs < this.validUntilMs };
    this.wakefulness = new Wakefulness(clock as Clock, lease);
  }

  /** The process runs for this long. */
  run(ms: number): void {
    const endMs = this.nowMs + ms;
    while (this.#due && this.#due.atMs <= endMs) {
      this.nowMs = Math.max(this.nowMs, this.#due.atMs);
      this.#due.fn();
    }
    this.nowMs = endMs;
  }

  /** The process is stopped; when it continues, a question comes first. */
  stop(ms: number): void {
    this.nowMs += ms;
  }
}

it('stays awake while the store is away and the process runs', () => {
  const process = new Stoppable();
  process.run(60_000);
  expect(process.wakefulness.isAwake()).toBe(true);
});

it('is not awake when the process resumes after the end of its lease, until the lease is renewed', () => {
  const process = new Stoppable();
  process.stop(5000);
  expect(process.wakefulness.isAwake()).toBe(false);
  process.run(1000);
  expect(process.wakefulness.isAwake()).toBe(false);
  process.validUntilMs = process.nowMs + 1000;
  expect(process.wakefulness.isAwake()).toBe(true);
  process.run(2000);
  expect(process.wakefulness.isAwake()).toBe(true);
});

it('notices the gap even if a timer fires before the first check', () => {
  const process = new Stoppable();
  process.stop(5000);
  process.run(200);
  expect(process.wakefulness.isAwake()).toBe(false);
});

it('tolerates a stop within the lease', () => {
  const process = new Stoppable();
  process.stop(1000);
  expect(process.wakefulness.isAwake()).toBe(true);
  process.run(5000);
  expect(process.wakefulness.isAwake()).toBe(true);
});
