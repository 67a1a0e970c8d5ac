/** What producers were told about their records, and the order of those records in the log. */
import { volumeFullCode } from '../../engine/protocol/error-codes.ts';
import type { Findings } from './anomaly.ts';
import type { PartitionName, TimedEntry } from './history.ts';
import type { JudgeOfRecords } from './judge-records.ts';
import type { JudgedPartition, JudgedPartitions } from './judged-partition.ts';

const outOfOrder = 45;
const sequenceErrors: readonly number[] = [outOfOrder, 47, 59];
/** NOT_LEADER_OR_FOLLOWER, the record producer's code without a producer id, and no room: no broker has stored it. */
const unstoredCodes: readonly number[] = [6, 15, volumeFullCode];

export class JudgeOfProducers {
  readonly #findings: Findings;
  readonly #partitions: JudgedPartitions;
  readonly #records: JudgeOfRecords;
  readonly #sentCounts = new Map<string, number>();

  constructor(findings: Findings, partitions: JudgedPartitions, records: JudgeOfRecords) {
    this.#findings = findings;
    this.#partitions = partitions;
    this.#records = records;
  }

  send({ atMs, producer, as, partition, values, ageMs = 0 }: TimedEntry & { kind: 'send' }): void {
    for (const value of values) {
      const index = this.#sentCounts.get(producer) ?? 0;
      this.#sentCounts.set(producer, index + 1);
      this.#partitions.of(partition).sent.set(value, {
        producer,
        as,
        index,
        claimedMs: atMs - ageMs,
        sentMs: atMs,
        ackedAt: -1,
        isUnstored: undefined,
      });
    }
  }

  sent(entry: TimedEntry & { kind: 'sent' }): void {
    const { atMs, producer, partition, values, code, offset, startOffset = 0, isNext, leftMs = -1 } = entry;
    if (isNext && sequenceErrors.includes(code)) {
      const what = `${producer} got error ${code} for its next batch: what came before it is forgotten`;
      this.#findings.report('sequence-lost', atMs, partition, what);
    }
    const state = this.#partitions.of(partition);
    const shownMs = state.shownMs.get(values[0]!) ?? Infinity;
    // A producer has no more in flight than a log remembers, so what was there when this repeat left is among what the
    // log remembers.
    if (!isNext && code === outOfOrder && shownMs < leftMs) {
      const what = `${producer} repeats ${values[0]}, which somebody has read, and is told that it is out of order`;
      this.#findings.report('sequence-lost', atMs, partition, what);
    }
    for (const value of values) {
      const sent = state.sent.get(value)!;
      sent.isUnstored = unstoredCodes.includes(code) && sent.isUnstored !== false;
    }
    if (code !== 0) return;
    if (startOffset > 0 && !state.isBounded) this.#records.reportStart(atMs, partition, startOffset);
    for (const [i, value] of values.entries()) {
      state.sent.get(value)!.ackedAt = offset + i;
      this.#records.show(atMs, partition, state, offset + i, value);
    }
  }

  checkRefused(name: PartitionName, { sent, offsetOf }: JudgedPartition, atMs: number): void {
    for (const [value, { isUnstored }] of sent) {
      const at = offsetOf.get(value);
      if (!isUnstored || at === undefined) continue;
      this.#findings.report(
        'untrue-refusal',
        atMs,
        name,
        `nobody has stored ${value}, it was said, and it is at ${at}`,
      );
    }
  }

  checkOrder(name: PartitionName, { final, sent }: JudgedPartition, atMs: number): void {
    const last = new Map<string, { index: number; value: string }>();
    let epoch = -1;
    for (const [offset, { value, leaderEpoch }] of [...final].sort(([a], [b]) => a - b)) {
      if (leaderEpoch < epoch) {
        this.#findings.report('leader-epoch-falls', atMs, name, `epoch ${leaderEpoch} at ${offset} follows ${epoch}`);
      }
      epoch = Math.max(epoch, leaderEpoch);
      const one = sent.get(value);
      // The place of a value without an answer is not promised, unless the producer repeated it in order.
      if (!one || (one.as !== 'idempotent' && one.ackedAt < 0)) continue;
      const before = last.get(one.producer);
      if (before && before.index > one.index) {
        this.#findings.report('reorder', atMs, name, `${value} at ${offset} follows ${before.value}`);
      }
      last.set(one.producer, { index: one.index, value });
    }
  }
}
