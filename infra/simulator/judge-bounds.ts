/** What clients that read nothing were told: where logs begin and end, where their epochs ended, which record a time belongs to. */
import type { Findings } from './anomaly.ts';
import type { PartitionName, TimedEntry } from './history.ts';
import { wrongTime } from './judge-times.ts';
import type { JudgedPartition, JudgedPartitions } from './judged-partition.ts';

export class JudgeOfBounds {
  readonly #findings: Findings;
  readonly #partitions: JudgedPartitions;

  constructor(findings: Findings, partitions: JudgedPartitions) {
    this.#findings = findings;
    this.#partitions = partitions;
  }

  epochEnd(entry: TimedEntry & { kind: 'epoch-end' }): void {
    const { epochEnds, finalStart } = this.#partitions.of(entry.partition);
    // Later ones may speak of a log that begins behind what was read of it.
    if (finalStart < 0) epochEnds.push(entry);
  }

  bound(entry: TimedEntry & { kind: 'bound' }): void {
    const { atMs, partition, which, offset, leaderEpoch, asked } = entry;
    const { toldEnds, starts, finalStart } = this.#partitions.of(partition);
    if (which === 'start' && finalStart < 0) starts.push(entry);
    if (which === 'end') toldEnds.set(leaderEpoch, Math.max(offset, toldEnds.get(leaderEpoch) ?? 0));
    if (offset >= asked[which]) return;
    const [name, verb] =
      which === 'end' ? (['stale-end', 'go to'] as const) : (['log-start-falls', 'begin at'] as const);
    const what = `somebody asked when the log was known to ${verb} ${asked[which]}, and was told ${offset}`;
    this.#findings.report(name, atMs, partition, what);
  }

  /** Later ones may speak of a log that begins behind what was read of it. */
  time(entry: TimedEntry & { kind: 'time' }): void {
    const { times, finalStart } = this.#partitions.of(entry.partition);
    if (finalStart < 0) times.push(entry);
  }

  /**
   * What lies before the end that an owner reported was written by that owner or an earlier one: no later epoch writes
   * there.
   */
  checkTold(name: PartitionName, { final, toldEnds }: JudgedPartition, atMs: number): void {
    for (const [offset, { leaderEpoch }] of final) {
      for (const [toldBy, end] of toldEnds) {
        if (leaderEpoch <= toldBy || offset >= end) continue;
        const what = `the owner at epoch ${toldBy} told of an end at ${end}, and ${offset} was written at ${leaderEpoch}`;
        this.#findings.report('told-too-early', atMs, name, what);
      }
    }
  }

  /**
   * Before the end of an epoch lies nothing of later epochs. After it, or if the end is unknown, lies nothing of that
   * epoch that was known by then.
   */
  checkEpochEnds(name: PartitionName, { final, epochEnds }: JudgedPartition): void {
    for (const { atMs, epoch, endOffset, asked } of epochEnds) {
      for (const [offset, { leaderEpoch }] of final) {
        const isBefore = offset < endOffset;
        if (isBefore ? leaderEpoch <= epoch : leaderEpoch > epoch || offset >= asked.end) continue;
        const what = `epoch ${epoch} was said to end at ${endOffset}, and ${offset} is of ${leaderEpoch}`;
        this.#findings.report('wrong-epoch-end', atMs, name, what);
        break;
      }
    }
  }

  /** Judged by what remains. The epoch reported with a log start has to be that of the record there. */
  checkTimes(name: PartitionName, { final, times, starts }: JudgedPartition): void {
    for (const entry of times) {
      const what = wrongTime(entry, final);
      if (what) this.#findings.report('wrong-time', entry.atMs, name, what);
    }
    for (const { atMs, offset, leaderEpoch, asked } of starts) {
      const found = offset < asked.end ? final.get(offset) : undefined;
      if (!found || found.leaderEpoch === leaderEpoch) continue;
      const what = `the log was said to begin at ${offset} with epoch ${leaderEpoch}, and that is of ${found.leaderEpoch}`;
      this.#findings.report('wrong-epoch-end', atMs, name, what);
    }
  }
}
