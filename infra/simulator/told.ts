/**
 * What clients have been told of each log by now: how far it goes at least, and where it begins at the earliest. Neither
 * ever falls, whoever owns the log and whichever gateway is asked: a question that leaves later gets no older answer.
 */
import type { Entry, PartitionName } from './history.ts';

export interface ToldLog {
  /** One past an offset that was read or acknowledged, or a high watermark. */
  readonly end: number;
  readonly start: number;
}

const nothing: ToldLog = { end: 0, start: 0 };

export class Told {
  readonly #logs = new Map<PartitionName, ToldLog>();

  of(partition: PartitionName): ToldLog {
    return this.#logs.get(partition) ?? nothing;
  }

  note(entry: Entry): void {
    if (entry.kind === 'sent' && entry.code === 0) {
      this.#raise(entry.partition, entry.offset + entry.values.length, 0);
    } else if (entry.kind === 'read' && entry.code === 0) {
      this.#raise(entry.partition, entry.highWatermark, entry.startOffset);
    } else if (entry.kind === 'bound') {
      this.#raise(
        entry.partition,
        entry.which === 'end' ? entry.offset : 0,
        entry.which === 'start' ? entry.offset : 0,
      );
    } else if (entry.kind === 'cut') this.#raise(entry.partition, 0, entry.start);
  }

  #raise(partition: PartitionName, end: number, start: number): void {
    const known = this.of(partition);
    if (end <= known.end && start <= known.start) return;
    this.#logs.set(partition, { end: Math.max(end, known.end), start: Math.max(start, known.start) });
  }
}
