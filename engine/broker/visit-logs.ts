/**
 * Opens every log that this session owns, one after another in the background. Logs open when they are first asked for, and
 * what frees space (retention, giving up sparse files) works on open logs: without this, a log that nobody has asked for
 * since its broker started would keep its records, and the files that it shares with others, for ever.
 *
 * Slow on purpose: a log costs a read of its rows and of one snapshot, and whoever comes meanwhile goes first. An open log
 * that is idle holds less than two kilobytes of memory, and a broker has partitionsPerBrokerMax of them at most.
 */
import { type Clock, sleep, type Timer } from '../kernel/clock.ts';
import type { LogStore } from '../log/log.ts';
import type { FollowedCatalogue, Ownership } from './ownership.ts';

export interface VisitSettings {
  /** From the start of the session to the first round, and from the end of one to the next. */
  readonly intervalMs: number;
  /** Between two logs that had to be opened. */
  readonly pauseMs: number;
}

export const visitDefaults: VisitSettings = { intervalMs: 30_000, pauseMs: 10 };

/** Partitions looked at between two turns of the event loop. */
const looksPerTurnMax = 1_000;

export interface LogVisitsParts {
  readonly brokerId: number;
  readonly catalogue: FollowedCatalogue;
  readonly logs: LogStore;
  readonly ownership: Ownership;
  readonly clock: Clock;
  readonly settings?: VisitSettings;
}

export class LogVisits {
  readonly #parts: LogVisitsParts;
  readonly #settings: VisitSettings;
  #timer: Timer | undefined;
  #isStopped = false;

  constructor(parts: LogVisitsParts) {
    this.#parts = parts;
    this.#settings = parts.settings ?? visitDefaults;
    this.#arm();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  #arm(): void {
    if (this.#isStopped) return;
    this.#timer = this.#parts.clock.after(
      this.#settings.intervalMs,
      () => void this.#round().then(() => this.#arm()),
      'background',
    );
  }

  async #round(): Promise<void> {
    const { brokerId, catalogue, logs, clock } = this.#parts;
    let looks = 0;
    // Topics come and go on the way: a Map's walk takes both.
    for (const { topicId, partitions } of catalogue.all()) {
      for (const { index, brokerId: owner } of partitions) {
        if (++looks % looksPerTurnMax === 0) await new Promise<void>((resolve) => clock.endOfTurn(resolve));
        if (owner !== brokerId || logs.get(topicId, index)) continue;
        if (this.#isStopped) return;
        // What cannot be opened is told to who asks for it; the next round tries again.
        await new Promise<void>((resolve) => this.#parts.ownership.with(topicId, index, () => resolve()));
        await sleep(clock, this.#settings.pauseMs);
      }
    }
  }
}
