/** What the judges of a history know about a partition: what clients sent to it and were shown of it. */
import type { PartitionName, ProducerKind, ReadRecord, TimedEntry } from './history.ts';

interface SentValue {
  readonly producer: string;
  readonly as: ProducerKind;
  readonly index: number;
  /** When it was sent; earlier where its record claims to be older. */
  readonly claimedMs: number;
  readonly sentMs: number;
  ackedAt: number;
  /** Every attempt so far was refused: no broker has stored it. */
  isUnstored: boolean | undefined;
}

export class JudgedPartition {
  readonly sent = new Map<string, SentValue>();
  /** What any client was shown at an offset. */
  readonly shown = new Map<number, string>();
  readonly offsetOf = new Map<string, number>();
  /** When a client was first shown a value. */
  readonly shownMs = new Map<string, number>();
  readonly final = new Map<number, ReadRecord>();
  finalStart = -1;
  isBounded = false;
  /** What retention by size must leave. */
  keptBytes = 0;
  /** What retention by time must leave; 0: it leaves everything. */
  keptMs = 0;
  /** No record goes sooner, however old it claims to be. */
  looksMs = 0;
  /** When a client was first told that the log begins there, in the order of both. */
  readonly toldStarts: { readonly atMs: number; readonly start: number }[] = [];
  /** A client requested a deletion of records, so what remains says nothing about retention. */
  isCut = false;
  readonly sizes = new Map<number, number>();
  /**
   * Only clients delete from it, up to one of these offsets at most; without the requests that were told that nothing
   * was done.
   */
  isCutOnly = false;
  readonly cutsTo: number[] = [];
  readonly times: (TimedEntry & { kind: 'time' })[] = [];
  readonly starts: (TimedEntry & { kind: 'bound' })[] = [];
  /** For each leader epoch the furthest end that its owner reported. */
  readonly toldEnds = new Map<number, number>();
  readonly epochEnds: (TimedEntry & { kind: 'epoch-end' })[] = [];
  isDeleted = false;
  readonly highWatermarks = new Map<string, number>();
}

export class JudgedPartitions {
  readonly #partitions = new Map<PartitionName, JudgedPartition>();

  of(name: PartitionName): JudgedPartition {
    let partition = this.#partitions.get(name);
    if (!partition) this.#partitions.set(name, (partition = new JudgedPartition()));
    return partition;
  }

  [Symbol.iterator](): IterableIterator<[PartitionName, JudgedPartition]> {
    return this.#partitions.entries();
  }
}
