/**
 * Shares the turns of the event loop among clusters. Rates count requests over seconds, but a thousand requests that one
 * cluster may send within its rate can arrive at once, on many connections, and everyone else would wait until the last of
 * them is answered. So a cluster may begin work in a turn until it has used its share of the turn's time; what it begins
 * beyond that waits, in order, for later turns. Nothing is refused, and a cluster that is alone loses nothing: turns
 * without other work follow each other at once.
 */
import { type Clock, nextTurn } from '../engine/kernel/clock.ts';
import { WorkQueue } from './work-queue.ts';

/** Clusters that have used little of their shares are forgotten, when there are so many of them. */
const sharesMax = 1_000;

/** How long after the work of another cluster more of it is expected. */
const companyMs = 60_000;

/** Small work takes microseconds: to read the clock for each piece would cost a part of what it takes. */
const smallCountedTogether = 16;
/** What a small piece takes at most. More has passed when something else was done between two of them. */
const smallMsMax = 0.1;

interface Share {
  /** Used and not yet given back, by a round of turns or by time in which the cluster did nothing. */
  usedMs: number;
  /** Until when it last used any. */
  usedUntilMs: number;
  /** Work that completes a request, and so frees memory: before work that begins one. */
  readonly completing: WorkQueue;
  readonly beginning: WorkQueue;
}

export class FairTurns {
  readonly #clock: Clock;
  /** How long the work of one cluster may hold a turn, and so how long a request of another one waits for it. */
  readonly #turnMsMax: number;
  readonly #shares = new Map<string, Share>();
  /** Rounds of turns are due: some cluster has used all of its share, or has work that waits. Most requests need none. */
  #isGiving = false;
  #lastClusterId = '';
  #companyUntilMs = 0;
  /** Work that begins inside other work would be timed twice. */
  #isRunning = false;
  /** Whose the small pieces are that are not counted yet, the turn they are of, and when the first of them began. */
  readonly #small: string[] = [];
  #smallTurnMs = -1;
  #smallSinceMs = 0;

  constructor(clock: Clock, turnMsMax: number) {
    this.#clock = clock;
    this.#turnMsMax = turnMsMax;
  }

  /**
   * Runs `work` now, or in a later turn. Work of one cluster begins in the order of these calls. `work` must not throw. The
   * caller limits how much of it waits: a connection waits with one request, and is not read meanwhile.
   */
  begin(clusterId: string, work: () => void): void {
    if (this.mustWait(clusterId)) this.later(clusterId, work);
    else this.#run(clusterId, work);
  }

  /** Like begin, and never within this call. */
  later(clusterId: string, work: () => void): void {
    this.#shareOf(clusterId).beginning.push(work);
    this.#give();
  }

  /** Whether work of the cluster has to wait for a later turn. */
  mustWait(clusterId: string): boolean {
    if (this.#isRunning) return true;
    const share = this.#shares.get(clusterId);
    return share !== undefined && (share.usedMs >= this.#turnMsMax || share.beginning.length > 0);
  }

  /** Runs `work` of a request that has begun, now, and counts its time. */
  timed<T>(clusterId: string, work: () => T): T {
    if (this.#isRunning) return work();
    return this.#run(clusterId, work);
  }

  /**
   * Whether the cluster may do a piece of small work now; if not, it belongs in a later turn (`later`). A cluster that is
   * alone may, and nothing is counted. `turnMs`: the time of this turn (turn-time.ts).
   */
  mayBeginSmall(clusterId: string, turnMs: number): boolean {
    if (this.isAlone(clusterId, turnMs)) return true;
    if (this.mustWait(clusterId)) return false;
    if (turnMs !== this.#smallTurnMs) {
      this.#smallTurnMs = turnMs;
      this.#smallSinceMs = turnMs;
      this.#small.length = 0;
    }
    if (this.#small.push(clusterId) >= smallCountedTogether) this.#countSmall();
    return true;
  }

  #countSmall(): void {
    const nowMs = this.#clock.monotonicMs();
    const eachMs = Math.min(smallMsMax, (nowMs - this.#smallSinceMs) / smallCountedTogether);
    if (eachMs > 0) for (const clusterId of this.#small) this.#charge(clusterId, eachMs, this.#smallSinceMs, nowMs);
    this.#small.length = 0;
    this.#smallSinceMs = nowMs;
  }

  /** Called with work of a cluster: whether no other has had any for a while, so that nobody waits for this one. */
  isAlone(clusterId: string, nowMs: number): boolean {
    this.#meet(clusterId, nowMs);
    return nowMs >= this.#companyUntilMs;
  }

  #meet(clusterId: string, nowMs: number): void {
    if (clusterId === this.#lastClusterId) return;
    if (this.#lastClusterId !== '') this.#companyUntilMs = nowMs + companyMs;
    this.#lastClusterId = clusterId;
  }

  /**
   * Runs the next piece of work of a request that has begun: now, or in a later turn when its cluster's share is used. What
   * waits holds memory, so a cluster that is alone does not wait.
   */
  goOn<T>(clusterId: string, work: () => T | Promise<T>): T | Promise<T> {
    const share = this.#shares.get(clusterId);
    const mayRun = share === undefined || (share.usedMs < this.#turnMsMax && share.completing.length === 0);
    return mayRun || this.#isRunning || this.isAlone(clusterId, share.usedUntilMs)
      ? this.timed(clusterId, work)
      : this.complete(clusterId, work);
  }

  /** Runs the next large piece of work of a request that has begun, in a later turn. */
  complete<T>(clusterId: string, work: () => T | Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#shareOf(clusterId).completing.push(() => {
        try {
          resolve(work());
        } catch (error) {
          reject(error as Error);
        }
      });
      this.#give();
    });
  }

  #run<T>(clusterId: string, work: () => T): T {
    const startMs = this.#clock.monotonicMs();
    this.#isRunning = true;
    try {
      return work();
    } finally {
      this.#isRunning = false;
      const endMs = this.#clock.monotonicMs();
      if (endMs > startMs) this.#charge(clusterId, endMs - startMs, startMs, endMs);
    }
  }

  #charge(clusterId: string, ms: number, startMs: number, endMs: number): void {
    this.#meet(clusterId, endMs);
    const share = this.#shareOf(clusterId);
    const idleMs = Math.max(0, startMs - share.usedUntilMs);
    if (!this.#isGiving) share.usedMs = Math.max(0, share.usedMs - idleMs);
    share.usedMs += ms;
    share.usedUntilMs = endMs;
    if (share.usedMs >= this.#turnMsMax || this.#shares.size > sharesMax) this.#give();
  }

  #shareOf(clusterId: string): Share {
    let share = this.#shares.get(clusterId);
    if (!share) {
      share = { usedMs: 0, usedUntilMs: 0, completing: new WorkQueue(), beginning: new WorkQueue() };
      this.#shares.set(clusterId, share);
    }
    return share;
  }

  #give(): void {
    if (this.#isGiving) return;
    this.#isGiving = true;
    void this.#giveTurns();
  }

  /** One round in each turn of the event loop: between two of them the I/O of everybody is served. */
  async #giveTurns(): Promise<void> {
    while (this.#shares.size > 0) {
      await nextTurn(this.#clock);
      const turnMs = this.#turnMsMax / this.#shares.size;
      for (const [clusterId, share] of this.#shares) this.#giveTurn(clusterId, share, turnMs);
    }
    this.#isGiving = false;
  }

  #giveTurn(clusterId: string, share: Share, turnMs: number): void {
    share.usedMs = Math.max(0, share.usedMs - this.#turnMsMax);
    while (share.usedMs < turnMs) {
      const work = share.completing.shift() ?? share.beginning.shift();
      if (!work) break;
      this.#run(clusterId, work);
    }
    if (share.usedMs === 0 && share.completing.length === 0 && share.beginning.length === 0)
      this.#shares.delete(clusterId);
  }
}
