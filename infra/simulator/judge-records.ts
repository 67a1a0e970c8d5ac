/** Judges which records clients read, at which offsets, and whether the records are still there in the end. */
import type { Findings } from './anomaly.ts';
import type { PartitionName, TimedEntry } from './history.ts';
import type { JudgedPartition, JudgedPartitions } from './judged-partition.ts';

/** Readers that read when everything is quiet, and so show what is left. */
export const finalConsumer = 'final';
const offsetOutOfRange = 1;

export class JudgeOfRecords {
  readonly #findings: Findings;
  readonly #partitions: JudgedPartitions;

  constructor(findings: Findings, partitions: JudgedPartitions) {
    this.#findings = findings;
    this.#partitions = partitions;
  }

  reportStart(atMs: number, name: PartitionName, startOffset: number): void {
    this.#findings.report('lost-write', atMs, name, `the log starts at ${startOffset}, and nothing may be deleted`);
  }

  /** A client was shown `value` at `offset`. */
  show(atMs: number, name: PartitionName, partition: JudgedPartition, offset: number, value: string): void {
    const before = partition.shown.get(offset);
    if (before !== undefined && before !== value) {
      this.#findings.report('divergence', atMs, name, `offset ${offset} was ${before} and is ${value}`);
    }
    partition.shown.set(offset, value);
    if (!partition.sent.has(value)) {
      this.#findings.report('invented-record', atMs, name, `nobody sent ${value}, found at ${offset}`);
    }
    const known = partition.offsetOf.get(value);
    if (known !== undefined && known !== offset) {
      this.#findings.report('duplicate', atMs, name, `${value} is at ${known} and at ${offset}`);
    }
    partition.offsetOf.set(value, offset);
    if (known === undefined) partition.shownMs.set(value, atMs);
  }

  read(entry: TimedEntry & { kind: 'read' }): void {
    const { atMs, partition: name, consumer, from, code, highWatermark, startOffset, records } = entry;
    // A fact that one gateway has reported reaches another a moment later; that is judged by what was reported before.
    const reader = `${consumer} ${entry.through ?? 0}`;
    const partition = this.#partitions.of(name);
    if (code === offsetOutOfRange && startOffset <= from) {
      this.#findings.report('truncated', atMs, name, `${consumer} is at ${from}, which is out of range`);
    }
    if (partition.isCutOnly && startOffset > Math.max(0, ...partition.cutsTo)) {
      const what = `the log starts at ${startOffset}, and nobody wanted more deleted than what lies before ${Math.max(0, ...partition.cutsTo)}`;
      this.#findings.report('cut-too-far', atMs, name, what);
    }
    if (startOffset > 0 && !partition.isBounded) this.reportStart(atMs, name, startOffset);
    let expected = from;
    for (const record of records) {
      const { offset, value } = record;
      if (offset !== expected)
        this.#findings.report('offset-gap', atMs, name, `${offset} follows where ${expected} should be`);
      expected = offset + 1;
      this.show(atMs, name, partition, offset, value);
      if (consumer === finalConsumer) partition.final.set(offset, record);
    }
    for (const { baseOffset, bytes } of entry.sizes ?? []) partition.sizes.set(baseOffset, bytes);
    // Retention continues while the rest is read, so the last log start counts.
    if (consumer === finalConsumer) partition.finalStart = Math.max(partition.finalStart, startOffset);
    if (code !== 0) return;
    this.#checkAge(entry);
    const before = partition.highWatermarks.get(reader) ?? -1;
    if (highWatermark < before) {
      this.#findings.report('high-watermark-falls', atMs, name, `${consumer} saw ${before}, then ${highWatermark}`);
    }
    partition.highWatermarks.set(reader, highWatermark);
    if (records.length > 0 && from < entry.asked.start) {
      const what = `${consumer} read from ${from} when the log was known to begin at ${entry.asked.start}`;
      this.#findings.report('deleted-read', atMs, name, what);
    }
    // A reader's position through another gateway is not where this one knows the log to end.
    if (expected > highWatermark && (records.length > 0 || !entry.isStale)) {
      this.#findings.report(
        'high-watermark-falls',
        atMs,
        name,
        `${consumer} read ${expected - 1} of a log up to ${highWatermark}`,
      );
    }
  }

  /** A later request learns no less than earlier ones. */
  #checkAge({ atMs, partition, consumer, highWatermark, startOffset, asked }: TimedEntry & { kind: 'read' }): void {
    if (highWatermark < asked.end) {
      const what = `${consumer} asked when the log was known to go to ${asked.end}, and was told ${highWatermark}`;
      this.#findings.report('stale-end', atMs, partition, what);
    }
    if (startOffset < asked.start) {
      const what = `${consumer} asked when the log was known to begin at ${asked.start}, and was told ${startOffset}`;
      this.#findings.report('log-start-falls', atMs, partition, what);
    }
  }

  checkLost(name: PartitionName, partition: JudgedPartition, atMs: number, mayRot: boolean): void {
    const { final, finalStart } = partition;
    // Rotten records are not read, nor are those after them.
    const end = mayRot ? Math.max(-1, ...final.keys()) + 1 : Infinity;
    for (const [offset, value] of partition.shown) {
      if (offset < finalStart || offset >= end || final.get(offset)?.value === value) continue;
      const sent = partition.sent.get(value);
      const how = sent && sent.ackedAt >= 0 ? 'was acknowledged' : 'was read';
      this.#findings.report('lost-write', atMs, name, `${value} ${how} at ${offset} and is gone`);
    }
  }
}
