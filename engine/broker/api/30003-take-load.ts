/**
 * TakeLoad (key 30003), Headgate's own. The count restarts with every answer, and the answer says how long it ran. So a
 * caller needs no memory of earlier answers, and two callers see the same rates over shorter times.
 */
import type { Clock } from '../../kernel/clock.ts';
import type { LogStore } from '../../log/log.ts';
import type { TakeLoadRequest, TakeLoadResponse } from '../../protocol/messages/30003-take-load.ts';

export class LoadCount {
  readonly #clock: Clock;
  #sinceMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#sinceMs = clock.monotonicMs();
  }

  take(logs: LogStore, { logsMax }: TakeLoadRequest): TakeLoadResponse {
    const nowMs = this.#clock.monotonicMs();
    const elapsedMs = Math.min(0x7fff_ffff, Math.round(nowMs - this.#sinceMs));
    this.#sinceMs = nowMs;
    const busy: TakeLoadResponse['logs'] = [];
    for (const log of logs.logs()) {
      const traffic = log.traffic.take();
      if (traffic) busy.push({ topicId: log.topicId, partition: log.partition, ...traffic });
    }
    if (busy.length > logsMax) {
      busy.sort((a, b) => b.bytesIn + b.bytesOut - a.bytesIn - a.bytesOut || b.requests - a.requests);
      busy.length = Math.max(0, logsMax);
    }
    return { elapsedMs, logs: busy };
  }
}
