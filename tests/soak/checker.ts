/**
 * Judges a history, entry by entry, and names what is wrong with it. A request without an answer may have had its effect
 * or not and proves nothing; what was acknowledged or shown once is promised for good. The memory of a run is 8 bytes per
 * stored record and one per value sent; what the readers saw is compared with it as it comes.
 */
import {
  type Entry,
  finalReader,
  indexOf,
  isExact,
  type ProducerKind,
  type TimedEntry,
  producerOf,
  valueOf,
  valueText,
} from './history.ts';
import { ByteColumn, NumberColumn } from './columns.ts';
import { CommitPauses } from './commit-pauses.ts';

export type AnomalyName =
  | 'lost'
  | 'duplicated'
  | 'reordered'
  | 'diverged'
  | 'invented'
  | 'refused-but-stored'
  | 'skipped'
  | 'repeated'
  | 'truncated'
  | 'end-offset-falls'
  | 'committed-offset-falls'
  | 'stuck'
  | 'bug';

export interface Anomaly {
  readonly name: AnomalyName;
  readonly what: string;
}

const anomaliesMax = 100;

/** Bit widths of the parts of a value. */
const isSent = 1;
const isAcked = 2;
const isRefused = 4;
const isStored = 8;

class Producer {
  readonly as: ProducerKind;
  readonly door: string;
  readonly states = new ByteColumn();
  /** 0: not sent; else the partition + 1. */
  readonly partitions = new NumberColumn();

  constructor(as: ProducerKind, door: string) {
    this.as = as;
    this.door = door;
  }
}

class Partition {
  /** The value that an acknowledgement or a read has shown at an offset, plus 1; or 0. */
  readonly shown = new NumberColumn();
  readonly final = new NumberColumn();
  readonly positions = new Map<string, number>();
}

interface CommittedOffset {
  tried: number;
  acked: number;
}

export class Checker {
  readonly #anomalies: Anomaly[] = [];
  readonly #producers = new Map<number, Producer>();
  readonly #partitions: Partition[] = [];
  readonly #committed = new Map<string, CommittedOffset>();
  /** By observer: the lower bounds for each partition's end and each commit, from before its question. */
  readonly #floors = new Map<string, { ends: number[]; committed: Map<string, number> }>();
  readonly counts = { sent: 0, acked: 0, refused: 0, read: 0, commits: 0 };
  readonly pauses: CommitPauses;
  /** The ends of the group's members, by cause; those that did not restart by themselves are counted once more. */
  readonly crashes = new Map<string, { count: number; final: number }>();

  /** A group that commits nothing for so long while records are acknowledged is stuck. */
  constructor(stuckMs: number) {
    this.pauses = new CommitPauses(stuckMs);
  }

  get anomalies(): readonly Anomaly[] {
    return this.#anomalies;
  }

  see(entry: TimedEntry): void {
    switch (entry.kind) {
      case 'producer':
        this.#producers.set(entry.producer, new Producer(entry.as, entry.door));
        return;
      case 'sent':
        this.counts.sent += entry.values.length;
        for (const value of entry.values) this.#mark(value, isSent, entry.partition);
        return;
      case 'acked':
        this.counts.acked += entry.values.length;
        for (const [i, value] of entry.values.entries()) {
          this.#mark(value, isAcked, entry.partition);
          if (entry.base >= 0) this.#show(entry.partition, entry.base + i, value, 'acknowledged');
        }
        return this.#waitsForCommit(entry);
      case 'refused':
        this.counts.refused += entry.values.length;
        for (const value of entry.values) this.#mark(value, isRefused, entry.partition);
        return;
      case 'read':
        return this.#read(entry);
      case 'out-of-range':
        return this.#report('truncated', `${entry.reader}: ${entry.what}`);
      case 'asks':
        return this.#asks(entry.observer);
      case 'range':
        return this.#range(entry);
      case 'commits':
      case 'committed':
      case 'found':
        return this.#commits(entry);
      case 'crashed':
        return this.#crashed(entry);
      case 'stuck':
      case 'bug':
        return this.#report(entry.kind, entry.what);
      case 'fault':
      case 'writable':
        return;
    }
  }

  /** Call once, when the final reader has read everything. */
  end(): readonly Anomaly[] {
    for (const [index, partition] of this.#partitions.entries()) if (partition) this.#judgeLog(index, partition);
    for (const [number, producer] of this.#producers) this.#judgeLost(number, producer);
    return this.#anomalies;
  }

  /** Records that the final reader found. */
  storedCount(): number {
    return this.#partitions.reduce((sum, partition) => sum + partition.final.length, 0);
  }

  #report(name: AnomalyName, what: string): void {
    if (this.#anomalies.length < anomaliesMax) this.#anomalies.push({ name, what });
  }

  #partition(index: number): Partition {
    for (let i = this.#partitions.length; i <= index; i++) this.#partitions.push(new Partition());
    return this.#partitions[index]!;
  }

  #mark(value: number, bit: number, partition: number): void {
    const producer = this.#producers.get(producerOf(value));
    if (!producer) throw new Error(`the history names producer ${producerOf(value)} before it begins`);
    const index = indexOf(value);
    producer.states.set(index, producer.states.get(index) | bit);
    producer.partitions.set(index, partition + 1);
  }

  #show(index: number, offset: number, value: number, by: string): void {
    const { shown } = this.#partition(index);
    const before = shown.get(offset);
    if (before !== 0 && before !== value + 1) {
      const what = `${index}@${offset} was ${valueText(before - 1)}, and is ${valueText(value)} for ${by}`;
      this.#report('diverged', what);
    }
    shown.set(offset, value + 1);
  }

  #read({ reader, partition: index, base, values }: Entry & { kind: 'read' }): void {
    this.counts.read += values.length;
    const partition = this.#partition(index);
    const position = partition.positions.get(reader) ?? 0;
    if (base > position) this.#report('skipped', `${reader} stands at ${index}@${position} and is given ${base}`);
    if (base < position && isExact(reader)) {
      this.#report('repeated', `${reader} stands at ${index}@${position} and is given ${base}`);
    }
    partition.positions.set(reader, Math.max(position, base + values.length));
    for (const [i, value] of values.entries()) {
      if (Number.isNaN(value) || !this.#wasSent(value, index)) {
        this.#report('invented', `${index}@${base + i} holds ${valueText(value)}, which nobody sent there`);
        continue;
      }
      this.#show(index, base + i, value, reader);
      if (reader === finalReader) partition.final.set(base + i, value + 1);
    }
  }

  #wasSent(value: number, partition: number): boolean {
    return this.#producers.get(producerOf(value))?.partitions.get(indexOf(value)) === partition + 1;
  }

  #asks(observer: string): void {
    const ends = this.#partitions.map(({ shown }) => shown.length);
    const committed = new Map([...this.#committed].map(([key, { acked }]) => [key, acked]));
    this.#floors.set(observer, { ends, committed });
  }

  #range({ observer, partition, start, end }: Entry & { kind: 'range' }): void {
    const floor = this.#floors.get(observer)?.ends[partition] ?? 0;
    if (end < floor) {
      this.#report(
        'end-offset-falls',
        `${observer}: ${partition} ends at ${end}, offset ${floor - 1} was shown before`,
      );
    }
    if (start > 0) this.#report('lost', `${partition} begins at ${start}, and nothing may be deleted`);
  }

  #commits(entry: Entry & { kind: 'commits' | 'committed' | 'found' }): void {
    const { group, partition, offset } = entry;
    const key = `${group} ${partition}`;
    let known = this.#committed.get(key);
    if (!known) this.#committed.set(key, (known = { tried: -1, acked: -1 }));
    if (entry.kind === 'commits') known.tried = Math.max(known.tried, offset);
    else if (entry.kind === 'committed') {
      this.counts.commits++;
      this.pauses.committed(partition);
      known.acked = Math.max(known.acked, offset);
    } else {
      const floor = this.#floors.get(entry.observer)?.committed.get(key) ?? -1;
      if (offset >= floor && offset <= known.tried) return;
      const what = `${key}: ${offset} found, ${floor} was acknowledged before, ${known.tried} tried`;
      this.#report('committed-offset-falls', what);
    }
  }

  #waitsForCommit({ partition, atMs }: TimedEntry & { kind: 'acked' }): void {
    const what = this.pauses.acked(partition, atMs);
    if (what !== undefined) this.#report('stuck', what);
  }

  #crashed({ what, isFinal }: Entry & { kind: 'crashed' }): void {
    let known = this.crashes.get(what);
    if (!known) this.crashes.set(what, (known = { count: 0, final: 0 }));
    known.count++;
    if (isFinal) known.final++;
  }

  #judgeLog(index: number, { shown, final }: Partition): void {
    const last = new Map<number, number>();
    for (let offset = 0; offset < Math.max(shown.length, final.length); offset++) {
      const found = final.get(offset) - 1;
      if (found < 0) {
        if (shown.get(offset) > 0) {
          this.#report('lost', `${valueText(shown.get(offset) - 1)} was shown at ${index}@${offset} and is gone`);
        }
        continue;
      }
      const number = producerOf(found);
      const place = indexOf(found);
      const producer = this.#producers.get(number)!;
      const state = producer.states.get(place);
      if (state & isRefused) {
        this.#report('refused-but-stored', `${producer.door} ${valueText(found)} is at ${index}@${offset}`);
      }
      if (state & isStored) {
        if (producer.as !== 'plain') {
          this.#report('duplicated', `${producer.door} ${valueText(found)} is at ${index}@${offset} again`);
        }
        continue;
      }
      producer.states.set(place, state | isStored);
      // Nothing promises whether a value without an answer arrives early or late, unless its producer repeated it in
      // order.
      if (producer.as !== 'idempotent' && !(state & isAcked)) continue;
      const before = last.get(number) ?? -1;
      if (place < before) {
        const what = `${producer.door} ${valueText(found)} at ${index}@${offset} follows ${valueText(valueOf(number, before))}`;
        this.#report('reordered', what);
      }
      last.set(number, Math.max(before, place));
    }
  }

  #judgeLost(number: number, { states, door }: Producer): void {
    for (let index = 0; index < states.length; index++) {
      const state = states.get(index);
      if (!(state & isAcked) || state & isStored) continue;
      this.#report('lost', `${door} ${valueText(valueOf(number, index))} was acknowledged and is nowhere`);
    }
  }
}

export function check(history: Iterable<TimedEntry>, stuckMs: number): readonly Anomaly[] {
  const checker = new Checker(stuckMs);
  for (const entry of history) checker.see(entry);
  return checker.end();
}
