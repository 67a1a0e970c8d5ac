/**
 * Opens every log that this session owns, a few at a time in the background. Logs otherwise open on first request, and
 * the work that frees space (retention, giving up sparse files) runs on open logs only. So a log that nobody has
 * requested since its broker started would keep its records, and the files that it shares with others, for ever.
 *
 * A round begins soon after this broker was given logs, so logs that a balanced fleet has just moved are open before
 * they are requested. Above all, they should be open before another broker dies: its heirs then open everything
 * unopened at once, while clients wait. The round does not begin sooner, because heirs of a dead broker get requests
 * for their logs at that very moment.
 *
 * Slow on purpose: opening a log costs a read of its rows and of one snapshot, and requests that come meanwhile go
 * first. An idle open log holds less than two kilobytes of memory, and a broker has at most partitionsPerBrokerMax of
 * them.
 */
import type { TopicEntry } from '../engine.ts';
import { type Clock, sleep, type Timer } from '../kernel/clock.ts';
import type { Uuid } from '../kernel/uuid.ts';
import type { LogStore } from '../log/log.ts';
import type { FollowedCatalogue, Ownership } from './ownership.ts';

export interface VisitSettings {
  /** Pause from one round over all topics to the next. */
  readonly intervalMs: number;
  /**
   * Delay from the start of the session to the first such round, and from a change of a topic's rows to a round over
   * the changed topics.
   */
  readonly soonMs: number;
  /** Logs opened together. */
  readonly logsTogetherMax: number;
  /** Pause between two such groups. */
  readonly pauseMs: number;
}

/** About a thousand logs a second, for a fifth of a core. */
export const visitDefaults: VisitSettings = { intervalMs: 30_000, soonMs: 500, logsTogetherMax: 16, pauseMs: 10 };

/** Partitions checked between two turns of the event loop. */
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
  /** When the timer is due. */
  #dueMs = Infinity;
  /** When the next round over all topics is due. */
  #allAtMs: number;
  readonly #changed = new Set<Uuid>();
  #isInRound = false;
  #isStopped = false;

  constructor(parts: LogVisitsParts) {
    this.#parts = parts;
    this.#settings = parts.settings ?? visitDefaults;
    this.#allAtMs = parts.clock.monotonicMs() + this.#settings.soonMs;
    parts.catalogue.onPlacement((topicId) => {
      this.#changed.add(topicId);
      this.#arm();
    });
    this.#arm();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  #arm(): void {
    if (this.#isStopped || this.#isInRound) return;
    const { clock } = this.#parts;
    const nowMs = clock.monotonicMs();
    const dueMs = this.#changed.size > 0 ? Math.min(this.#allAtMs, nowMs + this.#settings.soonMs) : this.#allAtMs;
    if (dueMs >= this.#dueMs) return;
    this.#timer?.cancel();
    this.#dueMs = dueMs;
    this.#timer = clock.after(Math.max(0, dueMs - nowMs), () => void this.#round(), 'background');
  }

  async #round(): Promise<void> {
    const { catalogue, clock } = this.#parts;
    this.#dueMs = Infinity;
    this.#isInRound = true;
    const isAll = clock.monotonicMs() >= this.#allAtMs;
    const topics = isAll ? catalogue.all() : [...this.#changed].flatMap((topicId) => catalogue.byId(topicId) ?? []);
    this.#changed.clear();
    await this.#open(topics);
    if (isAll) this.#allAtMs = clock.monotonicMs() + this.#settings.intervalMs;
    this.#isInRound = false;
    this.#arm();
  }

  async #open(topics: Iterable<TopicEntry>): Promise<void> {
    const { brokerId, logs, clock, ownership } = this.#parts;
    let looks = 0;
    let opening: Promise<void>[] = [];
    // Topics come and go during the walk; iterating a Map tolerates both.
    for (const { topicId, partitions } of topics) {
      for (const { index, brokerId: owner } of partitions) {
        if (++looks % looksPerTurnMax === 0) await new Promise<void>((resolve) => clock.endOfTurn(resolve));
        if (this.#isStopped) return;
        if (owner !== brokerId || logs.get(topicId, index)) continue;
        // A request for a log that cannot be opened gets the error. The next full round tries again.
        opening.push(new Promise<void>((resolve) => ownership.with(topicId, index, () => resolve())));
        if (opening.length < this.#settings.logsTogetherMax) continue;
        await Promise.all(opening);
        opening = [];
        await sleep(clock, this.#settings.pauseMs);
      }
    }
  }
}
