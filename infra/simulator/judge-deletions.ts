/** Judges deletions: clients' deletions remove what was requested, and retention removes no more than allowed. */
import type { Findings } from './anomaly.ts';
import type { PartitionName, TimedEntry } from './history.ts';
import type { JudgedPartition, JudgedPartitions } from './judged-partition.ts';

const offsetOutOfRange = 1;
/** Clocks of processes differ. */
const clockShareMin = 0.98;
/** No log of a world comes near it. */
export const beyondAnyEnd = 1_000_000;
/** Also: no such topic, and another broker leads. With these answers nothing was deleted. */
const undone: ReadonlySet<number> = new Set([offsetOutOfRange, 3, 6]);

export class JudgeOfDeletions {
  readonly #findings: Findings;
  readonly #partitions: JudgedPartitions;
  #isClockSet = false;

  constructor(findings: Findings, partitions: JudgedPartitions) {
    this.#findings = findings;
    this.#partitions = partitions;
  }

  /** The outcome of a deletion without an answer is unknown: it may happen later, up to its full extent. */
  cut(entry: TimedEntry & { kind: 'cutting' | 'cut' | 'uncut' }): void {
    const { atMs, partition: name, to } = entry;
    const partition = this.#partitions.of(name);
    partition.isCut = true;
    if (to >= beyondAnyEnd) {
      if (entry.kind !== 'cut') return;
      const what = `what lies before ${to} was deleted, it was said, and the log never went so far`;
      this.#findings.report('cut-not-done', atMs, name, what);
    } else if (entry.kind === 'cutting') {
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

  /** Records count as deleted once a client was told so. */
  start({ atMs, partition: name, startOffset }: TimedEntry & { kind: 'read' }): void {
    const { toldStarts } = this.#partitions.of(name);
    if (startOffset > (toldStarts.at(-1)?.start ?? 0)) toldStarts.push({ atMs, start: startOffset });
  }

  clockSet(): void {
    this.#isClockSet = true;
  }

  /** Retention must not remove what is to be kept. */
  checkKept(name: PartitionName, partition: JudgedPartition, atMs: number): void {
    const { finalStart, isCut, keptBytes, keptMs, sizes } = partition;
    if (isCut || finalStart <= 0) return;
    if (keptMs > 0) return this.#checkAges(name, partition);
    let left = 0;
    for (const [baseOffset, bytes] of sizes) if (baseOffset >= finalStart) left += bytes;
    if (left >= keptBytes) return;
    const what = `${left} bytes are left behind ${finalStart} where ${keptBytes} are to be kept`;
    this.#findings.report('kept-too-little', atMs, name, what);
  }

  /**
   * A record was sent no later than at its own time, unless it claims to be older. However old it claims to be, it stays from
   * one look of retention to the next.
   */
  #checkAges(name: PartitionName, { keptMs, looksMs, shown, sent, toldStarts }: JudgedPartition): void {
    for (const [offset, value] of shown) {
      const one = sent.get(value);
      const told = toldStarts.find(({ start }) => start > offset);
      if (!one || !told) continue;
      const [ageMs, stayedMs] = [told.atMs - one.claimedMs, told.atMs - one.sentMs];
      const isYoung = !this.#isClockSet && ageMs < keptMs;
      if (!isYoung && stayedMs >= looksMs * clockShareMin) continue;
      const what = `${value} at ${offset} is gone after ${Math.round(stayedMs)} ms, aged ${Math.round(ageMs)} ms, where ${keptMs} ms are kept`;
      this.#findings.report('kept-too-little', told.atMs, name, what);
    }
  }
}

/** One of them. */
function forget(cutsTo: number[], to: number): void {
  const at = cutsTo.indexOf(to);
  if (at >= 0) cutsTo.splice(at, 1);
}
