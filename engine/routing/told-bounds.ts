/**
 * Log bounds recently reported by ListOffsets and DeleteRecords. They keep a fetch that waits at a silent owner from
 * reporting older bounds. Both requests name topics, and a broker of an earlier version, which ignores what topic is meant,
 * may not have heard yet that the name now belongs to another one. Its answer is then wrong for that topic, and must not
 * stand for good, so every bound expires. The time
 * is longer than an owner may be silent before others are asked: that is as long as the wait for a starting broker
 * (startWaitMsMax of the controller) plus what follows it. Only a higher bound restarts the time.
 */

/** The bounds of a log as an answer reports them. Neither ever falls. */
export interface Bounds {
  readonly start?: number;
  readonly end?: number;
}

const toldMsMax = 45_000;

class Bound {
  #offset = -1;
  #untilMs = 0;

  /** -1 when nothing was reported recently. */
  at(nowMs: number): number {
    if (nowMs > this.#untilMs) this.#offset = -1;
    return this.#offset;
  }

  tell(offset: number, nowMs: number): void {
    if (offset <= this.at(nowMs)) return;
    this.#offset = offset;
    this.#untilMs = nowMs + toldMsMax;
  }
}

export class ToldBounds {
  readonly #start = new Bound();
  readonly #end = new Bound();

  tell({ start = -1, end = -1 }: Bounds, nowMs: number): void {
    this.#start.tell(start, nowMs);
    this.#end.tell(Math.max(start, end), nowMs);
  }

  startAt(nowMs: number): number {
    return this.#start.at(nowMs);
  }

  endAt(nowMs: number): number {
    return this.#end.at(nowMs);
  }
}
