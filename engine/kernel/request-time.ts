/**
 * The time that a client gives a request (timeoutMs of Produce, DeleteRecords, CreateTopics, …). When it is over the
 * client is told so, REQUEST_TIMED_OUT, and what was begun goes on: that answer says nothing about what took effect.
 */
import type { Clock } from './clock.ts';
import { Failure } from './failure.ts';

/**
 * In Kafka a leader does its own part however short the time is, 0 too; only the wait for others ends. Here the part that
 * always has its time lies behind a link.
 */
const ownPartMsMin = 1_000;

export function grantedMs(timeoutMs: number): number {
  return Math.max(timeoutMs, ownPartMsMin);
}

export const late = Symbol('late');

/** What `work` comes to, or `late` when that takes longer than `leftMs`. */
export function inTime<T>(clock: Clock, leftMs: number, work: Promise<T>): Promise<T | typeof late> {
  return new Promise((resolve, reject) => {
    let isLate = false;
    // The system's timers keep whole milliseconds and may be over almost one early: who is told `late` must find no time left.
    const timer = clock.after(Math.ceil(Math.max(0, leftMs)) + 1, () => {
      isLate = true;
      resolve(late);
    });
    work.then(
      (outcome) => {
        timer.cancel();
        resolve(outcome);
      },
      (error: Error) => {
        timer.cancel();
        // Nobody waits for it any more: a failure of the world has been answered, a bug of ours must still be heard of.
        if (isLate && !(error instanceof Failure)) throw error;
        reject(error);
      },
    );
  });
}
