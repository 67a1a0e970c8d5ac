/**
 * The time that a client gives a request (timeoutMs of Produce, DeleteRecords, CreateTopics, …). When it runs out, the
 * client gets REQUEST_TIMED_OUT, and the work that was begun continues: that answer does not say what took effect.
 */
import type { Clock } from './clock.ts';
import { Failure } from './failure.ts';

/**
 * In Kafka a leader does its own part however short the time is, even 0; the timeout ends only the wait for others. Here
 * the part that always gets its time is done behind a link.
 */
const ownPartMsMin = 1_000;

export function grantedMs(timeoutMs: number): number {
  return Math.max(timeoutMs, ownPartMsMin);
}

export const late = Symbol('late');

/** Resolves to what `work` resolves to, or to `late` when that takes longer than `leftMs`. */
export function inTime<T>(clock: Clock, leftMs: number, work: Promise<T>): Promise<T | typeof late> {
  return new Promise((resolve, reject) => {
    let isLate = false;
    // The system's timers have whole milliseconds and may fire almost one early. A caller that gets `late` must find no
    // time left.
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
        // Nobody waits for it any more. A failure of the world has been answered already; a bug of ours must still surface.
        if (isLate && !(error instanceof Failure)) throw error;
        reject(error);
      },
    );
  });
}
