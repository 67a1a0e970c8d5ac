/** Judges deletions: clients' deletions remove what was requested, and retention removes no more than allowed. */
import type { Findings } from './anomaly.ts';
import type { PartitionName, TimedEntry } from './history.ts';
import type { JudgedPartition, JudgedPartitions } from './judged-partition.ts';

const offsetOutOfRange = 1;
/** Also: no such topic, and another broker leads. With these answers nothing was deleted. */
const undone: ReadonlySet<number> = new Set([offsetOutOfRange, 3, 6]);

export class JudgeOfDeletions {
  readonly #findings: Findings;
  readonly #partitions: JudgedPartitions;

  constructor(findings: Findings, partitions: JudgedPartitions) {
    this.#findings = findings;
    this.#partitions = partitions;
  }

  /** The outcome of a deletion without an answer is unknown: it may happen later, up to its full extent. */
  cut(entry: TimedEntry & { kind: 'cutting' | 'cut' | 'uncut' }): void {
    const { atMs, partition: name, to } = entry;
    const partition = this.#partitions.of(name);
    partition.isCut = true;
    if (entry.kind === 'cutting') {
      partition.cutsTo.push(to < 0 ? Infinity : to);
    } else if (entry.kind === 'cut') {
      const least = to < 0 ? entry.asked.end : to;
      if (entry.start >= least) return;
      this.#findings.report(
        'cut-not-done',
        atMs,
        name,
        `what lies before ${least} was deleted, it was said, up to ${entry.start}`,
      );
    } else this.#refused(entry, partition);
  }

  #refused(
    { atMs, partition: name, to, code, asked }: TimedEntry & { kind: 'uncut' },
    { cutsTo }: JudgedPartition,
  ): void {
    if (undone.has(code)) forget(cutsTo, to < 0 ? Infinity : to);
    if (code === offsetOutOfRange && to <= asked.end) {
      this.#findings.report(
        'untrue-refusal',
        atMs,
        name,
        `${to} was known to be in the log, and out of range for who deletes`,
      );
    }
  }

  /** Retention must not remove what is to be kept. */
  checkKept(name: PartitionName, { finalStart, isCut, keptBytes, sizes }: JudgedPartition, atMs: number): void {
    if (isCut || finalStart <= 0) return;
    let left = 0;
    for (const [baseOffset, bytes] of sizes) if (baseOffset >= finalStart) left += bytes;
    if (left >= keptBytes) return;
    const what = `${left} bytes are left behind ${finalStart} where ${keptBytes} are to be kept`;
    this.#findings.report('kept-too-little', atMs, name, what);
  }
}

/** One of them. */
function forget(cutsTo: number[], to: number): void {
  const at = cutsTo.indexOf(to);
  if (at >= 0) cutsTo.splice(at, 1);
}
