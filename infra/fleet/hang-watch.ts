/**
 * Checks the processes of a fleet twenty times a second, for as long as there are any, and reports which hang (hang.ts).
 *
 * The system may take seconds to report on a process (on a machine short of cores, another process holds its lock), and
 * this thread recovers logs. So the checks run on the pool, for one process after the other, which takes at most one of the
 * pool's threads. Whether a process has answered is read after all reports are in: an answer meanwhile clears it.
 */
import type { Clock } from '../../engine/kernel/clock.ts';
import { type HangDetector, type HangLook, hangLookIntervalMs, initialHangDetector, judgeHangs } from './hang.ts';
import { ProcessState } from './process-state.ts';

export interface HangWatchOptions<P> {
  readonly clock: Clock;
  /** Whether it has answered the last ping. */
  answered(process: P): boolean;
  /** Called after each check. */
  looked?(): void;
}

interface Watched<P> {
  readonly process: P;
  readonly state: ProcessState;
}

export class HangWatch<P extends { readonly pid: number }> {
  readonly #options: HangWatchOptions<P>;
  readonly #watched = new Map<number, Watched<P>>();
  readonly #listeners: ((brokerId: number, reason: string) => void)[] = [];
  #detector: HangDetector = initialHangDetector;
  #isLooking = false;

  constructor(options: HangWatchOptions<P>) {
    this.#options = options;
  }

  onHung(listener: (brokerId: number, reason: string) => void): void {
    this.#listeners.push(listener);
  }

  add(brokerId: number, process: P): void {
    this.#watched.set(brokerId, { process, state: new ProcessState(process.pid) });
    if (this.#isLooking) return;
    this.#isLooking = true;
    this.#later();
  }

  remove(brokerId: number): void {
    this.#watched.get(brokerId)?.state.close();
    this.#watched.delete(brokerId);
  }

  #later(): void {
    this.#options.clock.after(hangLookIntervalMs, () => void this.#look(), 'background');
  }

  async #look(): Promise<void> {
    const states = new Map<Watched<P>, string | undefined>();
    for (const watched of this.#watched.values()) states.set(watched, await watched.state.read());
    const looks: HangLook[] = [];
    for (const [brokerId, watched] of this.#watched) {
      if (!states.has(watched)) continue;
      const { process } = watched;
      const answered = this.#options.answered(process);
      looks.push({ brokerId, pid: process.pid, answered, state: states.get(watched) });
    }
    const { detector, hung } = judgeHangs(this.#detector, looks, this.#options.clock.monotonicMs());
    this.#detector = detector;
    for (const { brokerId, reason } of hung) {
      for (const listener of this.#listeners) listener(brokerId, reason);
    }
    this.#options.looked?.();
    this.#isLooking = this.#watched.size > 0;
    if (this.#isLooking) this.#later();
  }
}
