/**
 * Opens every log that this session owns, some at a time in the background. Logs open when they are first asked for, and
 * what frees space (retention, giving up sparse files) works on open logs: without this, a log that nobody has asked for
 * since its broker started would keep its records, and the files that it shares with others, for ever.
 *
 * A round begins soon after logs were given to this broker, so that what a balanced fleet has just moved is open before it
 * is asked for; above all before another broker dies, when all that its heirs have not opened yet is opened at once, while
 * clients wait. Not sooner, because those who were given logs by a death are being asked for them at that very moment.
 *
 * Slow on purpose: a log costs a read of its rows and of one snapshot, and whoever comes meanwhile goes first. An open log
 * that is idle holds less than two kilobytes of memory, and a broker has partitionsPerBrokerMax of them at most.
 */
import type { TopicEntry } from '../engine.ts';
import { type Clock, sleep, type Timer } from '../kernel/clock.ts';
import type { Uuid } from '../kernel/uuid.ts';
import type { LogStore } from '../log/log.ts';
import type { FollowedCatalogue, Ownership } from './ownership.ts';

export interface VisitSettings {
  /** From one round over all topics to the next. */
  readonly intervalMs: number;
  /** From the start of the session to the first of them, and from a change of a topic's rows to a round over those that changed. */
  readonly soonMs: number;
  /** Opened together. */
  readonly logsTogetherMax: number;
  /** Between two such openings. */
  readonly pauseMs: number;
}

/** About a thousand logs a second, for a fifth of a core. */
export const visitDefaults: VisitSettings = { intervalMs: 30_000, soonMs: 500, logsTogetherMax: 16, pauseMs: 10 };

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
  /** When the timer is due. */
  #dueMs = Infinity;
  /** When it is time for all topics. */
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
    // Topics come and go on the way: a Map's walk takes both.
    for (const { topicId, partitions } of topics) {
      for (const { index, brokerId: owner } of partitions) {
        if (++looks % looksPerTurnMax === 0) await new Promise<void>((resolve) => clock.endOfTurn(resolve));
        if (this.#isStopped) return;
        if (owner !== brokerId || logs.get(topicId, index)) continue;
        // What cannot be opened is told to who asks for it; the next round over all tries again.
        opening.push(new Promise<void>((resolve) => ownership.with(topicId, index, () => resolve())));
        if (opening.length < this.#settings.logsTogetherMax) continue;
        await Promise.all(opening);
        opening = [];
        await sleep(clock, this.#settings.pauseMs);
      }
    }
  }
}
