/**
 * Where a log begins and ends as ListOffsets and DeleteRecords have told it lately, so that a fetch which waits at a silent
 * owner tells nothing older. They name topics, and a broker may not have heard yet that the name is another topic's by now:
 * what it tells then is wrong for that one, and must not stand for good. A bound is believed for longer than an owner may be
 * silent before others are asked, which is as long as a broker that starts is waited for (startWaitMsMax of the controller) and
 * what comes behind it, and only one that is higher begins that time anew.
 */

/** What an answer says of the bounds of a log: neither ever falls. */
export interface Bounds {
  readonly start?: number;
  readonly end?: number;
}

const toldMsMax = 45_000;

class Bound {
  #offset = -1;
  #untilMs = 0;

  /** -1 when nothing was told lately. */
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
