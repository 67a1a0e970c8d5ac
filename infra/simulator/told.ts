/**
 * What clients have been told about each log so far: its lowest possible end, and its earliest possible start. Neither
 * ever falls: a question that leaves later gets no older answer from the owner or from the gateway that told it. A
 * fetch through another gateway may not know it for a moment (ADR 17).
 */
import type { Entry, PartitionName } from './history.ts';

export interface ToldLog {
  /** One past an offset that was read or acknowledged, or a high watermark. */
  readonly end: number;
  readonly start: number;
}

const nothing: ToldLog = { end: 0, start: 0 };

interface ToldOnce extends ToldLog {
  readonly atMs: number;
}

class Telling {
  all = nothing;
  /** By gateway. */
  readonly through: ToldLog[] = [];
  /** Of all, the latest last. */
  readonly steps: ToldOnce[] = [];
}

export class Told {
  readonly #nowMs: () => number;
  readonly #logs = new Map<PartitionName, Telling>();

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  of(partition: PartitionName): ToldLog {
    return this.#logs.get(partition)?.all ?? nothing;
  }

  /** Through that gateway until now, and through any until then. */
  through(gateway: number, partition: PartitionName, untilMs: number): ToldLog {
    const telling = this.#logs.get(partition);
    if (!telling) return nothing;
    const before = telling.steps.findLast(({ atMs }) => atMs <= untilMs) ?? nothing;
    return highest(telling.through[gateway] ?? nothing, before);
  }

  note(entry: Entry, gateway: number): void {
    if (entry.kind === 'sent' && entry.code === 0) {
      this.#raise(gateway, entry.partition, { end: entry.offset + entry.values.length, start: 0 });
    } else if (entry.kind === 'read' && entry.code === 0) {
      this.#raise(gateway, entry.partition, { end: entry.highWatermark, start: entry.startOffset });
    } else if (entry.kind === 'bound') {
      const { offset, which } = entry;
      this.#raise(gateway, entry.partition, { ...nothing, [which]: offset });
    } else if (entry.kind === 'cut') this.#raise(gateway, entry.partition, { end: 0, start: entry.start });
  }

  #raise(gateway: number, partition: PartitionName, told: ToldLog): void {
    let telling = this.#logs.get(partition);
    if (!telling) this.#logs.set(partition, (telling = new Telling()));
    telling.through[gateway] = highest(telling.through[gateway] ?? nothing, told);
    const { all, steps } = telling;
    if (told.end <= all.end && told.start <= all.start) return;
    telling.all = highest(all, told);
    steps.push({ ...telling.all, atMs: this.#nowMs() });
  }
}

function highest(one: ToldLog, other: ToldLog): ToldLog {
  return { end: Math.max(one.end, other.end), start: Math.max(one.start, other.start) };
}
